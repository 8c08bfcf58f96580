package tailrace.obligations_test

import data.tailrace.obligations

table := {
	"guest": {
		"actions": ["range"],
		"obligations": {"finest_step_ms": 60000, "lookback_ms": 1000, "redact": ["site", "crew"]},
	},
	"partner": {
		"actions": ["range"],
		"obligations": {"finest_step_ms": 1000, "lookback_ms": 9000, "delay_ms": 5, "redact": ["crew"]},
	},
	"owner": {"actions": ["range"], "obligations": {}},
	"device": {"actions": ["publish"], "obligations": {}},
}

limits(roles) := found if {
	found := obligations.limits with data.roles as table
		with input as {"action": "range", "subject": {"roles": roles}}
}

test_one_role_is_held_to_its_own_obligations if {
	limits(["guest"]) == {"finest_step_ms": 60000, "lookback_ms": 1000, "redact": ["site", "crew"]}
}

test_of_several_roles_the_most_generous_counts if {
	limits(["guest", "partner"]) == {"finest_step_ms": 1000, "lookback_ms": 9000, "redact": ["crew"]}
}

test_a_role_without_obligations_lifts_them if {
	limits(["guest", "owner"]) == {}
}

test_a_role_that_does_not_allow_the_action_lifts_nothing if {
	limits(["partner", "device"]) == table.partner.obligations
}
