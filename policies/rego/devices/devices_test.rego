package tailrace.devices_test

import data.tailrace.devices

asked(action, device, asset) := {
	"action": action,
	"subject": {"device": device},
	"labels": {"tenant": "acme", "asset": asset},
}

test_a_device_writes_to_its_own_asset_only if {
	every action in ["publish", "subscribe", "write"] {
		devices.permitted with input as asked(action, "rig-7", "rig-7")
		not devices.permitted with input as asked(action, "rig-7", "rig-8")
	}
}

test_a_filter_that_leaves_the_asset_open_is_refused if {
	not devices.permitted with input as {
		"action": "subscribe",
		"subject": {"device": "rig-7"},
		"labels": {"tenant": "acme"},
	}
}

test_what_is_read_is_not_narrowed if {
	devices.permitted with input as {"action": "range", "subject": {"device": "rig-7"}}
	not devices.bound("range") with input as {"subject": {"device": "rig-7"}}
}

test_wrong_claims_are_refused_whatever_the_action if {
	every claim in [false, null, "", 7, ["rig-7"]] {
		not devices.permitted with input as {"action": "range", "subject": {"device": claim}}
	}
}
