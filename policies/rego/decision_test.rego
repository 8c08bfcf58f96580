# The whole decision, case by case. The same table (policies/cases.json) runs against the built bundle in
# policies/policy.test.ts, because OPA's own tests run the rules in Go and not in WebAssembly.
package tailrace_test

import data.tailrace

test_decision[case.note] if {
	some case in data.cases
	tailrace.decision == case.expect with input as case.input
}
