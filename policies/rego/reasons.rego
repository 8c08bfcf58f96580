# What a caller is told. Each rule words its own refusal; here is decided which of them is heard: the first that does
# not permit, from what the token is to what exactly it is used for. A refusal speaks of the caller's own token and of
# what was asked for, never of what else there is: other tenants, other assets, members of a group.
package tailrace.reasons

import data.tailrace.assets
import data.tailrace.classification
import data.tailrace.devices
import data.tailrace.groups
import data.tailrace.roles
import data.tailrace.shifts
import data.tailrace.tenancy

granted := $"role {roles.names} may {input.action}"

default refused := "no rule permits this"

refused := tenancy.refusal if {
	not tenancy.permitted
} else := roles.refusal if {
	not roles.permitted
} else := shifts.refusal if {
	not shifts.permitted
} else := groups.refusal if {
	not groups.permitted
} else := assets.refusal if {
	not assets.permitted
} else := devices.refusal if {
	not devices.permitted
} else := classification.refusal if {
	not classification.permitted
}
