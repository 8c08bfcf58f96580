# What a caller's answers are held to, from roles/data.json. With several roles the most generous one counts: an
# obligation holds only if every role that allows the action has it, and then with its widest value.
package tailrace.obligations

import data.tailrace.roles

limits := data.roles[only].obligations if {
	count(roles.granting) == 1
	some only in roles.granting
} else := {name: widest(name, values) |
	some name in shared
	values := {data.roles[role].obligations[name] | some role in roles.granting}
}

shared := intersection({object.keys(data.roles[role].obligations) | some role in roles.granting})

smaller_is_wider := {"finest_step_ms", "delay_ms"}

widest(name, values) := min(values) if {
	name in smaller_is_wider
} else := sort(intersection({{label | some label in labels} | some labels in values})) if {
	name == "redact"
} else := max(values)
