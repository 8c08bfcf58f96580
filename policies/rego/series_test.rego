package tailrace.series_test

import data.tailrace.series

groups := {"acme": {"north": ["a", "b"]}}

asset(name) := {"label": "asset", "op": "=", "value": name}

cleared := {"label": "classification", "op": "=~", "value": "public"}

asked(action, claims) := {"action": action, "subject": object.union({"tenant": "acme"}, claims)}

test_without_claims_one_selector_is_every_series if {
	series.selectors == [[]] with input as asked("range", {})
}

test_each_asset_is_one_selector if {
	series.selectors == [[asset("b")], [asset("a")]] with input as asked("range", {"assets": ["b", "a"]})
}

test_a_clearance_is_in_each_selector if {
	series.selectors == [[cleared]] with input as asked("range", {"clearance": "public"})
	series.selectors == [[asset("a"), cleared], [asset("b"), cleared]] with data.groups as groups
		with input as asked("tail", {"clearance": "public", "asset_groups": ["north"]})
}

test_a_device_has_one_asset_where_it_writes if {
	series.selectors == [[asset("d")]] with input as asked("publish", {"device": "d"})
	series.selectors == [[]] with input as asked("range", {"device": "d"})
}

test_a_device_has_none_that_its_lists_do_not_reach if {
	series.selectors == [] with input as asked("write", {"device": "d", "assets": ["a"]})
	series.selectors == [[asset("a")]] with data.groups as groups
		with input as asked("write", {"device": "a", "asset_groups": ["north"]})
}
