# Device identity: a token whose claim `device` names an asset is that asset's own device. What it publishes, subscribes
# to or writes belongs to this asset and no other, whatever else its claims reach.
package tailrace.devices

import data.tailrace.claims

default permitted := false

permitted if {
	not claims.has("device")
} else if {
	claims.is_name(input.subject.device)
	not strays
}

strays if {
	bound(input.action)
	input.labels
	not input.labels.asset == input.subject.device
}

# Whether the claim narrows an action.
bound(action) if {
	claims.has("device")
	action in {"publish", "subscribe", "write"}
}

refusal := $"a token of device {input.subject.device} may {input.action} for that asset only" if {
	claims.is_name(input.subject.device)
} else := "the token's claim device is not the name of an asset"
