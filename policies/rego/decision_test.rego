# The whole decision, case by case, over the tables of groups and shifts in the same file. The same cases run against the
# built bundle in policies/decide/policy.test.ts, because OPA's own tests run the rules in Go and not in WebAssembly.
package tailrace_test

import data.tailrace

test_decision[case.note] if {
	some case in data.cases
	decision := tailrace.decision with input as case.input
		with data.groups as data.tables.groups
		with data.shifts as data.tables.shifts
	decision == case.expect
}
