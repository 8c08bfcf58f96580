# Classification: what a series' label `classification` says, and up to which level a token's claim `clearance` sees.
# The levels, from lowest to highest, and the one of series without the label are in classification/data.json. A level
# that is not in there is above every clearance.
package tailrace.classification

import data.tailrace.claims

default permitted := false

permitted if {
	not claims.has("clearance")
} else if {
	input.subject.clearance in data.classification.levels
	input.action != "subscribe"
}

# Whether series are selected by their classification. What is written is not seen, so a clearance has no say in it.
selective(action) if {
	claims.has("clearance")
	not action in {"publish", "write", "import"}
}

# What is added to a selector. No label is an empty one, so the default level brings the empty text with it. Names of
# levels hold nothing that a regular expression would read otherwise, see data.schema.json.
matcher := {"label": "classification", "op": "=~", "value": concat("|", array.concat(seen, unlabelled))}

seen := array.slice(data.classification.levels, 0, rank + 1)

rank := [i | some i, level in data.classification.levels; level == input.subject.clearance][0]

unlabelled := [""] if {
	data.classification.default in seen
} else := []

refusal := "a token with a clearance may not subscribe: a broker does not know how a series is classified" if {
	input.subject.clearance in data.classification.levels
} else := $"the token's clearance {input.subject.clearance} is not a level of classification" if {
	is_string(input.subject.clearance)
} else := "the token's claim clearance is not the name of a level"
