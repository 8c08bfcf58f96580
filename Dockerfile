# tailrace in one image: `start` by default, or any other command of it (`docker run … tailrace token --help`).
# trixie has glibc 2.41, which the modern build of the HTTP engine needs (2.38 and up).
FROM node:24-trixie-slim AS build
WORKDIR /tailrace
# Packages first: they change less often than the sources, so this layer is mostly taken from the cache.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:24-trixie-slim
ENV NODE_ENV=production \
    DATA_DIR=/var/lib/tailrace \
    HTTP_HOST=0.0.0.0 \
    MQTT_HOST=0.0.0.0
WORKDIR /tailrace
COPY package.json package-lock.json ./
# No package that is needed at run time has to be built: binaries come with the packages.
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY --from=build /tailrace/dist ./dist
COPY LICENSE ./
# Signing key, policy state and, without DATABASE_URL, the embedded database.
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/tailrace
VOLUME /var/lib/tailrace
USER node
EXPOSE 8080 1883
# SIGTERM drains: batches are committed, acknowledgements sent, tails told.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT ?? 8080}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["start"]
