# The decision that tailrace asks for: every rule has to permit, and the first that does not gives the reason.
package tailrace

import data.tailrace.assets
import data.tailrace.obligations
import data.tailrace.roles
import data.tailrace.tenancy

# METADATA
# description: What a caller may do, and which series and under which obligations.
# entrypoint: true
decision := {
	"allow": true,
	"reason": $"role {concat(", ", sort(roles.granting))} may {input.action}",
	"series": assets.series,
	"obligations": obligations.limits,
} if {
	tenancy.permitted
	roles.permitted
	assets.permitted
} else := {
	"allow": false,
	"reason": reason,
	"series": [],
	"obligations": {},
}

default reason := "no rule permits this"

reason := tenancy.refusal if {
	not tenancy.permitted
} else := roles.refusal if {
	not roles.permitted
} else := assets.refusal if {
	not assets.permitted
}
