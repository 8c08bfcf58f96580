package tailrace.groups_test

import data.tailrace.groups

table := {
	"acme": {"north": ["rig-1", "rig-2"], "south": ["rig-2", "rig-3"]},
	"other": {"secret": ["rig-9"]},
}

of(names) := {"subject": {"tenant": "acme", "asset_groups": names}}

test_several_groups_add_up if {
	groups.assets == {"rig-1", "rig-2", "rig-3"} with data.groups as table with input as of(["north", "south"])
}

test_a_group_of_another_tenant_holds_nothing if {
	groups.assets == set() with data.groups as table with input as of(["secret"])
}

test_a_group_that_nobody_made_holds_nothing if {
	groups.permitted with data.groups as table with input as of(["west"])
	groups.assets == set() with data.groups as table with input as of(["west"])
	not groups.holds("rig-1") with data.groups as table with input as of(["west"])
}

test_a_tenant_without_a_table_has_no_groups if {
	groups.assets == set() with data.groups as {} with input as of(["north"])
}

test_wrong_claims_are_refused if {
	every claim in [false, null, "north", {"north": true}, ["north", 7]] {
		not groups.permitted with input as of(claim)
	}
}
