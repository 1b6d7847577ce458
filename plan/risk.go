package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Risk says in one sentence what a part of the change set means for those who
// get mail. What is withheld or left out does not happen, and only says that it
// would.
type Risk struct {
	Code  RiskCode
	Level RiskLevel
	// Count is of addresses, accounts or deactivations, by the code.
	Count int
	// Accounts counts the accounts that go out of service with the addresses of
	// AddressesStop; Limit and Active are those of an [Allowance]. They are 0 for
	// other codes.
	Accounts, Limit, Active int
	// Brake is that of a limit.
	Brake Brake
	// Roles counts the role addresses among those of WouldStop and LeftOutToStop.
	Roles int
	// Directory is that of a limit, or "".
	Directory string
	// Names are the first addresses that are meant, those of Roles or else of
	// Count, in byte order; none where it would help nobody.
	Names []string

	// Words are the text where it was read from a redacted document, which has
	// no more of it.
	Words string
}

// RiskLevel says how closely to look.
type RiskLevel uint8

const (
	// NoRisk takes nothing from anybody.
	NoRisk RiskLevel = iota
	// LowRisk is what happens in any week: people leave, addresses move.
	LowRisk
	// HighRisk is to be looked at, row by row, before it is applied.
	HighRisk
)

// String returns "none", "low" or "high".
func (l RiskLevel) String() string { return riskLevels[l] }

var riskLevels = [...]string{"none", "low", "high"}

// parseRiskLevel reads a level; what is none counts as high.
func parseRiskLevel(s string) RiskLevel {
	if n := slices.Index(riskLevels[:], s); n >= 0 {
		return RiskLevel(n)
	}
	return HighRisk
}

// RiskCode is what a risk is about. Its text is stable.
type RiskCode string

const (
	AddressesStop RiskCode = "addresses_stop"
	ListsStop     RiskCode = "lists_stop"
	RolesStop     RiskCode = "role_addresses_stop"
	SharedStop    RiskCode = "shared_mailboxes_stop"
	NearLimit     RiskCode = "near_limit"
	LimitLifted   RiskCode = "limit_lifted"
	AddressesMove RiskCode = "addresses_move"
	HandsChange   RiskCode = "accounts_change_hands"
	WouldStop     RiskCode = "withheld"
	LeftOutToStop RiskCode = "left_out"
)

// riskOrder is the order in which risks are told.
var riskOrder = []RiskCode{
	AddressesStop, ListsStop, RolesStop, SharedStop, NearLimit, LimitLifted, AddressesMove, HandsChange, WouldStop, LeftOutToStop,
}

const (
	// maxRiskNames is how many addresses a risk names.
	maxRiskNames = 3
	// nearLimit is what part of a limit is near it, in percent.
	nearLimit = 80
)

// RecipientType is the attribute of accounts by which shared mailboxes are
// known: the value of msExchRecipientTypeDetails, where a scope reads it under
// this name.
const RecipientType = "recipient_type"

// sharedTypes are its values for shared, room and equipment mailboxes, and for
// those three in Exchange Online.
var sharedTypes = []string{"4", "16", "32", "8589934592", "17179869184", "34359738368"}

// roles are the mailbox names of RFC 2142 sections 3 to 5, where others look
// for an organization, and those to which certificate authorities write.
var roles = map[string]bool{
	"info": true, "marketing": true, "sales": true, "support": true,
	"abuse": true, "noc": true, "security": true,
	"postmaster": true, "hostmaster": true, "usenet": true, "news": true, "webmaster": true, "www": true, "uucp": true, "ftp": true,
	"admin": true, "administrator": true,
}

// Risks says what the change set means, always first what becomes of addresses.
func (p *Plan) Risks() []Risk {
	if p.Redacted {
		return p.risks
	}
	stop, would, leftOut := Risk{Code: AddressesStop}, Risk{Code: WouldStop}, Risk{Code: LeftOutToStop}
	role, move := Risk{Code: RolesStop, Level: HighRisk}, Risk{Code: AddressesMove, Level: LowRisk}
	for i := range p.Changes {
		switch c := &p.Changes[i]; c.Category {
		case Inactive:
			if c.Withheld {
				would.addWithRole(c.Address)
				break
			}
			stop.Count++
			if roles[c.Address.Local()] {
				role.add(c.Address)
			}
		case AliasSwitch, AliasToPrimary, PrimaryToAlias, PrimarySwitch:
			move.Count++
		}
	}
	for i := range p.LeftOut {
		if l := &p.LeftOut[i]; l.category() == Inactive {
			leftOut.addWithRole(l.address())
		}
	}
	lists, shared := Risk{Code: ListsStop, Level: LowRisk}, Risk{Code: SharedStop, Level: HighRisk}
	hands := Risk{Code: HandsChange, Level: LowRisk}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		switch {
		case c.Withheld:
		case deactivates(c):
			stop.Accounts++
			if c.Before.Type == identity.List {
				lists.add(c.Before.Primary)
			}
			if slices.Contains(sharedTypes, identity.Lookup(c.Before.Attributes, RecipientType)) {
				shared.add(c.Before.Primary)
			}
		case c.Before != nil && c.After != nil && (c.Before.Directory != c.After.Directory || c.Before.GUID != c.After.GUID):
			hands.Count++
		}
	}
	if stop.Count > 0 {
		stop.Level = LowRisk
	}
	all := []Risk{stop, lists, role, shared}
	for i := range p.Allowances {
		a := &p.Allowances[i]
		for b, loss := range a.Losses {
			r := Risk{Code: NearLimit, Level: HighRisk, Brake: Brake(b), Count: loss.Count, Limit: loss.Bound, Active: a.Of(Brake(b)), Directory: a.Directory}
			switch {
			case a.Braked():
				continue
			case loss.Lifted:
				r.Code = LimitLifted
			case r.Count*100 < nearLimit*r.Limit:
				continue
			}
			all = append(all, r)
		}
	}
	all = append(all, move, hands, would, leftOut)
	return slices.DeleteFunc(all, func(r Risk) bool { return r.Count == 0 && r.Code != AddressesStop })
}

func (l *LeftOut) category() Category {
	if l.row != nil {
		return l.row.Category
	}
	return l.change.Category
}

func (l *LeftOut) address() identity.Address {
	if l.row != nil {
		x, _ := identity.ParseAddress(l.row.Address) // rows have no others
		return x
	}
	return l.change.Address
}

// add counts an address, of which the first are named: the rows of a category
// and accounts are in byte order.
func (r *Risk) add(x identity.Address) {
	r.Count++
	r.name(x)
}

// addWithRole counts an address, and names it if it is one of a role.
func (r *Risk) addWithRole(x identity.Address) {
	if r.Count++; roles[x.Local()] {
		r.Roles++
		r.name(x)
	}
}

func (r *Risk) name(x identity.Address) {
	if len(r.Names) < maxRiskNames {
		r.Names = append(r.Names, x.String())
	}
}

// RiskOf returns the highest level of all.
func RiskOf(all []Risk) RiskLevel {
	level := NoRisk
	for i := range all {
		level = max(level, all[i].Level)
	}
	return level
}

// Text is the risk in words.
func (r *Risk) Text() string {
	if r.Words != "" {
		return r.Words
	}
	switch n := r.Count; r.Code {
	case AddressesStop:
		switch {
		case n == 0:
			return "no address stops receiving mail"
		case r.Accounts == 0:
			return several(n, "address stops", "addresses stop") + " receiving mail; no account goes out of service"
		}
		return several(n, "address stops", "addresses stop") + " receiving mail; " + several(r.Accounts, "account goes", "accounts go") + " out of service"
	case ListsStop:
		return several(n, "list goes", "lists go") + " out of service: " + r.names(n)
	case RolesStop:
		return several(n, "address stops that others write to by its role", "addresses stop that others write to by their role") + ": " + r.names(n)
	case SharedStop:
		return several(n, "shared, room or equipment mailbox goes", "shared, room or equipment mailboxes go") + " out of service: " + r.names(n)
	case NearLimit:
		return fmt.Sprintf("%s (limit %s)", r.Brake.Text(n, r.Active, r.Directory, "are"), Thousands(r.Limit))
	case LimitLifted:
		return fmt.Sprintf("%s (limit %s, lifted for this run)", r.Brake.Text(n, r.Active, r.Directory, "are"), Thousands(r.Limit))
	case AddressesMove:
		return several(n, "address goes", "addresses go") + " to another account"
	case HandsChange:
		return several(n, "account changes hands: it has another owner than before", "accounts change hands: they have other owners than before")
	case WouldStop:
		return several(n, "address would stop", "addresses would stop") + " receiving mail, but a brake withholds that" + r.withRoles()
	case LeftOutToStop:
		return several(n, "address would stop", "addresses would stop") + " receiving mail, but this plan leaves that out" + r.withRoles()
	}
	return ""
}

// withRoles names the role addresses.
func (r *Risk) withRoles() string {
	if r.Roles == 0 {
		return ""
	}
	return "; " + several(r.Roles, "of them is a role address", "of them are role addresses") + ": " + r.names(r.Roles)
}

// names lists the first of n addresses.
func (r *Risk) names(n int) string {
	text := strings.Join(r.Names, ", ")
	if more := n - len(r.Names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (r *Risk) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "code", string(r.Code))
	b = appendMember(b, ", ", "level", r.Level.String())
	b = fmt.Appendf(b, `, "count": %d`, r.Count)
	return append(appendMember(b, ", ", "text", r.Text()), '}')
}
