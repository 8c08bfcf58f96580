# Reading claims. Functions and not rules: OPA's WebAssembly remembers each rule's value, which for something as small
# as this costs more than working it out again.
package tailrace.claims

# Whether the token has a claim, whatever it says: a claim of `false` is a wrong claim, not a missing one.
has(claim) if _ = input.subject[claim]

# A list of names, which may be empty.
is_names(value) if {
	is_array(value)
	every name in value {
		is_string(name)
	}
}

is_name(value) if {
	is_string(value)
	value != ""
}
