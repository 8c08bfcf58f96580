# Which series are granted, put together from the rules about assets and the rule about labels: one selector an asset,
# because the engine looks assets up in a table, and in each of them what classification asks for.
package tailrace.series

import data.tailrace.assets
import data.tailrace.classification
import data.tailrace.devices

# Any of these, all matchers in one: a selector without matchers is every series of the tenant.
selectors := [array.concat(place, classified) | some place in places] if {
	classified := [classification.matcher]
	classification.selective(input.action)
} else := places

places := [[{"label": "asset", "op": "=", "value": input.subject.device}]] if {
	devices.bound(input.action)
	assets.reaches(input.subject.device)
} else := [] if {
	devices.bound(input.action)
} else := [[{"label": "asset", "op": "=", "value": asset}] | some asset in assets.reached] if {
	assets.narrowed(input.subject)
} else := [[]]
