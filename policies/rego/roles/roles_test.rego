package tailrace.roles_test

import data.tailrace.roles

test_every_role_in_the_table_allows_what_it_lists if {
	every role, entry in data.roles {
		every action in entry.actions {
			roles.permitted with input as {"action": action, "subject": {"roles": [role]}}
		}
	}
}

test_only_roles_that_allow_the_action_are_granting if {
	roles.granting == {"operator"} with input as {"action": "write", "subject": {"roles": ["viewer", "operator"]}}
}

test_without_a_subject_nothing_is_permitted if {
	not roles.permitted with input as {"action": "range"}
}
