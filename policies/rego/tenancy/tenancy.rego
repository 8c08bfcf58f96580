# Nobody sees or touches another tenant's data, whatever their role.
package tailrace.tenancy

import data.tailrace.claims

default permitted := false

permitted if {
	claims.is_name(input.tenant)
	input.subject.tenant == input.tenant
	not foreign(input.tenant)
}

# What is written belongs to the caller's tenant. Requests that name no series have no labels.
foreign(tenant) if {
	input.labels
	not input.labels.tenant == tenant
}

refusal := $"tenant {input.subject.tenant} may not touch what belongs to another tenant" if {
	claims.is_name(input.subject.tenant)
} else := "the token names no tenant"
