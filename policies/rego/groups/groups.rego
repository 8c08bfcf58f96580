# Asset groups: the claim `asset_groups` names groups of assets, which groups/data.json lists for each tenant. A group
# that the tenant does not have holds nothing.
package tailrace.groups

import data.tailrace.claims

default permitted := false

permitted if {
	not claims.has("asset_groups")
} else if {
	claims.is_names(input.subject.asset_groups)
}

# The assets of all groups of the token.
assets contains asset if {
	some name in input.subject.asset_groups
	some asset in data.groups[input.subject.tenant][name]
}

# Whether one asset is in any of them, without listing all.
holds(asset) if {
	some name in input.subject.asset_groups
	asset in data.groups[input.subject.tenant][name]
}

refusal := "the token's claim asset_groups is not a list of names"
