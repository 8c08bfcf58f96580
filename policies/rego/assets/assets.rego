# Which of its tenant's assets a token reaches: those that its claim `assets` lists and those of the groups in its claim
# `asset_groups`. A token without either reaches all of them.
package tailrace.assets

import data.tailrace.claims
import data.tailrace.groups

default permitted := false

permitted if {
	not narrowed(input.subject)
} else if {
	valid
	written_reached
}

# Whether something narrows a token to a list of assets.
narrowed(_) if claims.has("assets")

narrowed(_) if claims.has("asset_groups")

valid if not claims.has("assets")

valid if claims.is_names(input.subject.assets)

# What is written belongs to an asset that is reached. Requests that name no series have no labels: for those the
# selectors are narrowed.
written_reached if not input.labels

written_reached if reaches(input.labels.asset)

reaches(_) if not narrowed(input.subject)

reaches(asset) if asset in input.subject.assets

reaches(asset) if groups.holds(asset)

# All of them, the token's own first, in its order.
reached := input.subject.assets if {
	not claims.has("asset_groups")
} else := array.concat(own, [asset | some asset in sort(groups.assets); not asset in own])

own := object.get(input.subject, "assets", [])

refusal := $"asset {input.labels.asset} is not among the token's assets" if {
	valid
	input.labels.asset
} else := "a token with a list of assets has to name one of them" if {
	valid
} else := "the token's claim assets is not a list of names"
