package tailrace.assets_test

import data.tailrace.assets

groups := {"acme": {"north": ["rig-1", "rig-2"]}}

test_without_a_list_every_asset_is_reached if {
	assets.permitted with input as {"subject": {}}
	assets.reaches("rig-1") with input as {"subject": {}}
}

test_assets_come_in_the_order_of_the_claim if {
	assets.reached == ["b", "a"] with input as {"subject": {"assets": ["b", "a"]}}
}

test_groups_come_after_the_listed_assets_and_none_twice if {
	assets.reached == ["rig-2", "b", "rig-1"] with data.groups as groups
		with input as {"subject": {"tenant": "acme", "assets": ["rig-2", "b"], "asset_groups": ["north"]}}
}

test_an_empty_list_beside_a_group_leaves_the_group if {
	assets.reached == ["rig-1", "rig-2"] with data.groups as groups
		with input as {"subject": {"tenant": "acme", "assets": [], "asset_groups": ["north"]}}
}

test_a_claim_of_false_is_not_taken_for_no_claim if {
	not assets.permitted with input as {"subject": {"assets": false}}
}

test_labels_without_an_asset_are_refused_where_assets_are_listed if {
	not assets.permitted with input as {"subject": {"assets": ["a"]}, "labels": {"tenant": "acme"}}
}

test_what_is_written_may_be_of_a_group if {
	assets.permitted with data.groups as groups with input as {
		"subject": {"tenant": "acme", "assets": ["a"], "asset_groups": ["north"]},
		"labels": {"tenant": "acme", "asset": "rig-2"},
	}
}
