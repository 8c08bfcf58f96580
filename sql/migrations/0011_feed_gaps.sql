-- What the feed misses. A process that commits points has a row for as long as it lives: it stands there before the first
-- of them, so that nothing has to be written when the process ends between a COMMIT and its record in the feed. Who finds
-- a row that nobody holds by its lock appends a gap, and removes it.

-- owes: points are committed that the feed did not take, and no gap stands in it yet. held_by: the backend that holds the
-- lock.
create sequence tailrace.feed_writer_id as int4;
create table tailrace.feed_writer (
  id       int4 primary key,
  owes     boolean not null default false,
  held_by  int4 not null default 0
);

-- Grows with every gap that followers have to hear of otherwise than by the feed.
create sequence tailrace.feed_gap;
