package tailrace.assets_test

import data.tailrace.assets

test_without_the_claim_every_series_is_selected if {
	assets.series == [[]] with input as {"subject": {}}
}

test_each_listed_asset_is_one_selector_in_the_order_of_the_claim if {
	assets.series == [
		[{"label": "asset", "op": "=", "value": "b"}],
		[{"label": "asset", "op": "=", "value": "a"}],
	] with input as {"subject": {"assets": ["b", "a"]}}
}

test_a_claim_of_false_is_not_taken_for_no_claim if {
	not assets.permitted with input as {"subject": {"assets": false}}
}

test_labels_without_an_asset_are_refused_where_assets_are_listed if {
	not assets.permitted with input as {"subject": {"assets": ["a"]}, "labels": {"tenant": "acme"}}
}
