package lint

import "github.com/rollcall-cli/rollcall/internal/words"

// Severity says how bad a finding is.
type Severity uint8

// The severities, the least first.
const (
	// Info is worth knowing.
	Info Severity = iota
	// Warning is what a plan copes with or rejects for a reason that the
	// configuration may be behind, and what other programs stumble over.
	Warning
	// Error is what a plan rejects, or must guess at.
	Error
)

var severities = [...]string{Info: "info", Warning: "warning", Error: "error"}

func (s Severity) String() string { return severities[s] }

// UnmarshalText reads "info", "warning" or "error".
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severities {
		if string(text) == name {
			*s = Severity(i)
			return nil
		}
	}
	return words.Unknown("severity", string(text), []string{Error.String(), Warning.String(), Info.String()})
}

// Severities are all severities, the worst first.
var Severities = [...]Severity{Error, Warning, Info}

// Code is what a finding is about. Its text is stable.
type Code uint8

// The codes, in the order of reports: the worst severity first.
const (
	Malformed Code = iota
	AddressTooLong
	TrailingDot
	PrefixInMail
	SeveralPrimaries
	NoPrimary
	DuplicateAddress
	UnknownDomain
	PublicAddress
	MailNotPrimary
	RepeatedAddress
	SurroundingSpace
	MissingPrefix
	MixedCasePrefix
	AttributeTooLong
	WrongEncoding
	ConflictObject
	CaseVariant
	DNEscaping

	codes
)

// Codes are all codes in order.
func Codes() []Code {
	all := make([]Code, codes)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

func (c Code) String() string { return rules[c].name }

// Severity returns that of all findings with the code.
func (c Code) Severity() Severity { return rules[c].severity }

// Meaning says in a sentence what was found.
func (c Code) Meaning() string {
	subject := "the value "
	if c.whole() {
		subject = "the entry "
	}
	return subject + rules[c].meaning
}

// whole reports whether findings are about an entry and none of its values.
func (c Code) whole() bool { return c == NoPrimary || c == ConflictObject || c == DNEscaping }

// Matters says why that matters.
func (c Code) Matters() string { return rules[c].matters }

// Advice says what to do, or what to decide first, about any finding with the
// code.
func (c Code) Advice() string { return rules[c].advice }

type rule struct {
	name                     string
	severity                 Severity
	meaning, matters, advice string
}

var rules = [codes]rule{
	Malformed: {"malformed", Error, "is not an address of RFC 5321",
		"No mail server delivers to it, and a plan rejects it.",
		"correct the value in the directory, or remove it, with the command that rollcall explain ADDRESS prints"},
	AddressTooLong: {"address_too_long", Error, "is longer than an address may be",
		"RFC 5321 allows 64 octets before the @, 255 in the domain, 63 in each of its labels and 254 in all. A plan rejects the address.",
		"give the entry a shorter address"},
	TrailingDot: {"trailing_dot", Error, "ends with a dot",
		"No address ends with a dot, and a plan rejects the value.",
		"remove the dot"},
	PrefixInMail: {"prefix_in_mail", Error, "has a prefix where none belongs",
		"Only alias attributes use prefixes. In the primary attribute it makes the address malformed, and a plan rejects it.",
		"remove the prefix"},
	SeveralPrimaries: {"several_primaries", Error, "is one of several primaries",
		"An entry has one primary: one value with SMTP:, or, without any, one value of the primary attribute. A plan has to guess, and mail leaves under the wrong name.",
		"leave one primary: write smtp: before the others; in an attribute without prefixes, move the others to another"},
	NoPrimary: {"no_primary", Error, "declares no primary",
		"The entry has aliases alone. A plan keeps the primary that the account has, or else takes the first alias in byte order.",
		"put the primary into mail, and, where addresses have prefixes, write SMTP: before it"},
	DuplicateAddress: {"duplicate_address", Error, "is listed by several entries",
		"Mail goes to one of them by chance. A plan grants the address to the entry that declares it as primary or has it already, and else to none. Letter case and alias domains do not count.",
		"decide whose it is, and remove it from the others: rollcall explain ADDRESS has the changes and their effects"},
	UnknownDomain: {"unknown_domain", Warning, "is in a domain that the scope does not take",
		"A plan rejects the address. Either it is left over, or the configuration lacks a domain.",
		"remove the address from the directory, with the command that rollcall explain ADDRESS prints, or declare the domain and add it to the scope"},
	PublicAddress: {"public_address", Warning, "is in a public domain, and not a valid alias",
		"An address in a public domain is never a primary, and an alias only of primaries in the domains of its alias_for. A plan rejects it.",
		"give the entry a primary in a domain of yours, or remove the address, with the command that rollcall explain ADDRESS prints"},
	MailNotPrimary: {"mail_not_primary", Warning, "is in mail, but another address is the primary",
		"A plan follows the value with SMTP:. Programs that read mail see another address than the one that the entry writes from.",
		"put the primary into mail, or, if mail is right, write SMTP: before that address and smtp: before the other"},
	RepeatedAddress: {"repeated_address", Warning, "is listed twice by its entry",
		"It counts once, as the primary where one of both is. Programs that remove one of the two leave the other.",
		"remove the one that is not the primary"},
	SurroundingSpace: {"surrounding_space", Warning, "has white space around it",
		"A plan drops it. Other programs reject the value, or find the address nowhere.",
		"write the value without it"},
	MissingPrefix: {"missing_prefix", Warning, "has no prefix",
		"A plan takes the value for an alias. Exchange and Entra ignore or reject it.",
		"write smtp: before it, or SMTP: if it is the primary"},
	MixedCasePrefix: {"mixed_case_prefix", Warning, "has a prefix in mixed case",
		"SMTP: marks the primary and smtp: an alias. A plan takes any other spelling for an alias; other programs do not agree.",
		"write smtp: before an alias and SMTP: before the primary"},
	AttributeTooLong: {"attribute_too_long", Warning, "is longer than the console allows",
		"A plan keeps the old value, and rejects the new one.",
		"shorten the value, or raise max_length of the scope if the console allows more"},
	WrongEncoding: {"wrong_encoding", Warning, "is not UTF-8",
		"LDAP and LDIF know no other encoding (RFC 4517, RFC 2849). A plan shows U+FFFD where it cannot read the value, and the console gets that.",
		"write the value again, or export the directory as UTF-8"},
	ConflictObject: {"conflict_object", Warning, "lost its name in a replication conflict",
		"Two servers created an object of this name, and one of the two was renamed. A plan passes over it, and no address of it is served unless the other object has it too.",
		"compare it with the object whose name it had, and delete or rename one"},
	CaseVariant: {"case_variant", Info, "differs from another value of its entry in letter case alone",
		"Addresses compare without letter case, so that these are one address. Programs that compare octets take them for two.",
		"keep one spelling"},
	DNEscaping: {"dn_escaping", Info, "has a name that must be escaped",
		`Characters such as , + " and \ are escaped in a DN. Scripts that put such a name into a filter, a path or a file without care fail on it, or reach another object.`,
		"refer to the entry by its GUID, or quote its name"},
}
