# Nobody sees or touches another tenant's data, whatever their role.
package tailrace.tenancy

default permitted := false

permitted if {
	named
	input.subject.tenant == input.tenant
	series_at_home
}

named if {
	is_string(input.subject.tenant)
	input.subject.tenant != ""
}

# What is written belongs to the caller's tenant. Requests that name no series have no labels.
series_at_home if not input.labels

series_at_home if input.labels.tenant == input.subject.tenant

default refusal := "the token names no tenant"

refusal := $"tenant {input.subject.tenant} may not touch what belongs to another tenant" if named
