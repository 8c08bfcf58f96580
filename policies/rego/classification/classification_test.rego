package tailrace.classification_test

import data.tailrace.classification

table := {"levels": ["open", "closed", "sealed"], "default": "closed"}

test_the_default_is_one_of_the_levels if data.classification.default in data.classification.levels

test_a_clearance_sees_its_own_level_and_those_below if {
	levels("open") == "open"
	levels("closed") == "open|closed|"
	levels("sealed") == "open|closed|sealed|"
}

levels(clearance) := value if {
	value := classification.matcher.value with data.classification as table
		with input as {"subject": {"clearance": clearance}}
}

test_without_the_claim_nothing_is_asked_of_the_label if {
	classification.permitted with input as {"action": "range", "subject": {}}
	not classification.selective("range") with input as {"subject": {}}
}

test_what_is_written_is_not_seen if {
	every action in ["publish", "write", "import"] {
		not classification.selective(action) with input as {"subject": {"clearance": "open"}}
	}
}

test_a_broker_cannot_tell_levels_apart if {
	not classification.permitted with data.classification as table
		with input as {"action": "subscribe", "subject": {"clearance": "sealed"}}
}

test_a_clearance_that_is_no_level_is_refused if {
	every claim in [false, null, "", "cosmic", 7, ["open"]] {
		not classification.permitted with data.classification as table
			with input as {"action": "range", "subject": {"clearance": claim}}
	}
}
