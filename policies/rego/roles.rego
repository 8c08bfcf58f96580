# Which role may do what. The table itself is roles/data.json; this file says how it is read.
package tailrace.roles

default permitted := false

permitted if count(granting) > 0

# The caller's roles that allow the action. A role that the table does not have grants nothing.
granting contains role if {
	some role in input.subject.roles
	input.action in data.roles[role].actions
}

default refusal := "the token names no role"

refusal := $"role {held[0]} may not {input.action}" if {
	count(held) == 1
} else := $"roles {concat(", ", held)} may not {input.action}" if {
	count(held) > 1
}

held := sort({role | some role in input.subject.roles})
