# The decision that tailrace asks for: every rule has to permit. Which one refused, and why, is said in reasons.rego;
# which series are granted, in series.rego.
package tailrace

import data.tailrace.assets
import data.tailrace.classification
import data.tailrace.devices
import data.tailrace.groups
import data.tailrace.obligations
import data.tailrace.reasons
import data.tailrace.roles
import data.tailrace.series
import data.tailrace.shifts
import data.tailrace.tenancy

# METADATA
# description: What a caller may do, and which series and under which obligations.
# entrypoint: true
decision := {
	"allow": true,
	"reason": reasons.granted,
	"series": series.selectors,
	"obligations": obligations.limits,
} if {
	tenancy.permitted
	roles.permitted
	shifts.permitted
	groups.permitted
	assets.permitted
	devices.permitted
	classification.permitted
} else := {
	"allow": false,
	"reason": reasons.refused,
	"series": [],
	"obligations": {},
}
