# The claim `assets` narrows a token to some of its tenant's assets. A token without it reaches all of them.
package tailrace.assets

default permitted := false

permitted if {
	claim_valid
	series_listed
}

default listed := false

listed if "assets" in object.keys(input.subject)

claim_valid if not listed

claim_valid if {
	is_array(input.subject.assets)
	every asset in input.subject.assets {
		is_string(asset)
	}
}

# What is written belongs to a listed asset. Requests that name no series have no labels: `series` narrows those.
series_listed if not input.labels

series_listed if {
	input.labels
	not listed
}

series_listed if input.labels.asset in input.subject.assets

# Any of these, all matchers in one: without the claim one selector without matchers, which is every series.
series := [[]] if not listed

series := [[{"label": "asset", "op": "=", "value": asset}] | some asset in input.subject.assets] if listed

refusal := $"asset {input.labels.asset} is not among the token's assets" if {
	claim_valid
} else := "the token's claim assets is not a list of names"
