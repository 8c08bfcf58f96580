# Which role may do what. The table itself is roles/data.json; this file says how it is read.
package tailrace.roles

default permitted := false

permitted if count(granting) > 0

# The caller's roles that allow the action. A role that the table does not have grants nothing.
granting contains role if {
	some role in input.subject.roles
	input.action in data.roles[role].actions
}

# Them as text.
names := concat(", ", sort(granting))

default refusal := "the token names no role"

refusal := $"{who} may not {input.action}{advice}" if count(held) > 0

who := $"role {held[0]}" if {
	count(held) == 1
} else := $"roles {concat(", ", held)}"

# What would help: the roles in the table that allow it.
advice := "" if {
	count(able) == 0
} else := $" ({concat(", ", able)} may)"

able := sort([role | some role, entry in data.roles; input.action in entry.actions])

held := sort({role | some role in input.subject.roles; is_string(role)})
