package tailrace.tenancy_test

import data.tailrace.tenancy

test_the_same_tenant_is_permitted if {
	tenancy.permitted with input as {"tenant": "acme", "subject": {"tenant": "acme"}}
}

test_a_tenant_is_text if {
	not tenancy.permitted with input as {"tenant": 7, "subject": {"tenant": 7}}
}

test_without_tenants_nothing_is_permitted if {
	not tenancy.permitted with input as {"subject": {}}
}

test_labels_of_another_tenant_are_refused if {
	not tenancy.permitted with input as {
		"tenant": "acme",
		"subject": {"tenant": "acme"},
		"labels": {"tenant": "other", "asset": "rig-1"},
	}
}
