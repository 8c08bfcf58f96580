package tailrace.reasons_test

import data.tailrace.reasons

refused(action, subject, more) := reason if {
	asked := object.union({"action": action, "now": 1794787200000, "tenant": "acme", "subject": subject}, more)
	reason := reasons.refused with input as asked
}

test_the_first_rule_that_refuses_is_heard if {
	wrong := {"tenant": "other", "roles": ["nobody"], "shift": "noon", "assets": 7}
	refused("range", wrong, {}) == "tenant other may not touch what belongs to another tenant"
	startswith(refused("range", object.union(wrong, {"tenant": "acme"}), {}), "role nobody may not range")
	mine := {"tenant": "acme", "roles": ["viewer"]}
	refused("range", object.union(mine, {"shift": "noon", "assets": 7}), {}) == "the token's shift noon is not known here"
	refused("range", object.union(mine, {"assets": 7}), {}) == "the token's claim assets is not a list of names"
}

test_a_refusal_says_which_roles_may if {
	refused("write", {"tenant": "acme", "roles": ["viewer"]}, {}) == "role viewer may not write (admin, device, operator may)"
	refused("dance", {"tenant": "acme", "roles": ["b", "a"]}, {}) == "roles a, b may not dance"
}

test_another_tenant_is_not_named if {
	labels := {"labels": {"tenant": "other", "asset": "theirs"}}
	refused("write", {"tenant": "acme", "roles": ["operator"]}, labels) == "tenant acme may not touch what belongs to another tenant"
}

test_members_of_a_group_are_not_named if {
	labels := {"labels": {"tenant": "acme", "asset": "rig-9"}}
	refused("publish", {"tenant": "acme", "roles": ["device"], "asset_groups": ["north"]}, labels) == "asset rig-9 is not among the token's assets"
}
