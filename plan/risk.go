package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Risk says in one sentence what a part of the change set means for those who
// get mail. What is withheld or left out does not happen, and is only mentioned.
type Risk struct {
	Code  RiskCode
	Level RiskLevel
	// Count is of addresses, accounts or deactivations, by the code.
	Count int
	// Accounts counts the accounts that lose all mail, among the addresses of
	// AddressesStop or of a directory; Renamed those that get another primary.
	Accounts, Renamed int
	// Removed counts the accounts that go, of a directory or among those of Count:
	// another account gets their primary.
	Removed int
	// Limit and Active are those of an [Allowance]; Active is also that of a
	// directory.
	Limit, Active int
	// Brake is that of a limit.
	Brake Brake
	// Roles counts the role addresses among those of WouldStop and LeftOutToStop.
	Roles int
	// Directory is that of a limit or of accounts, or "".
	Directory string
	// Names are the first addresses that are meant, those of Roles or else of
	// Count, in byte order; none where it would help nobody.
	Names []string

	// Words are the text where it was read from a document.
	Words string
}

// RiskLevel says how closely to look.
type RiskLevel uint8

const (
	// NoRisk takes nothing from anybody.
	NoRisk RiskLevel = iota
	// LowRisk is what happens in any week: people leave, addresses move.
	LowRisk
	// MediumRisk is more than that, a list or shared mailbox that stops, or
	// newcomers who get no account.
	MediumRisk
	// HighRisk is to be looked at, row by row, before it is applied.
	HighRisk
)

// String returns "none", "low", "medium" or "high".
func (l RiskLevel) String() string { return riskLevels[l] }

var riskLevels = [...]string{"none", "low", "medium", "high"}

// RiskLevels returns the names of the levels, the lowest first.
func RiskLevels() []string { return slices.Clone(riskLevels[:]) }

// ParseRiskLevel reads a level.
func ParseRiskLevel(s string) (RiskLevel, error) {
	if n := slices.Index(riskLevels[:], s); n >= 0 {
		return RiskLevel(n), nil
	}
	return HighRisk, fmt.Errorf("unknown risk level %q: expected one of %s", s, strings.Join(riskLevels[:], ", "))
}

// RiskRules say how risk is judged.
type RiskRules struct {
	// MediumPercent and HighPercent are of the active accounts of a directory
	// that lose all mail or their primary, or get another one: more than the first is a medium
	// risk, the second or more a high one. Where a directory has no more than
	// [FewAccounts], percentages say nothing.
	MediumPercent, HighPercent int
	// Roles are the parts before the @ of role addresses, in lower case.
	Roles []string
}

// FewAccounts is up to how many active accounts of a directory percentages say
// nothing.
const FewAccounts = 20

// Defaults of the percentages.
const (
	DefaultMediumPercent = 1
	DefaultHighPercent   = 5
)

// DefaultRoles are the mailbox names of RFC 2142 sections 3 to 5, where others
// look for an organization, and those to which certificate authorities write.
var DefaultRoles = []string{
	"info", "marketing", "sales", "support",
	"abuse", "noc", "security",
	"postmaster", "hostmaster", "usenet", "news", "webmaster", "www", "uucp", "ftp",
	"admin", "administrator",
}

// DefaultRisk is how risk is judged where the configuration does not say.
func DefaultRisk() RiskRules {
	return RiskRules{MediumPercent: DefaultMediumPercent, HighPercent: DefaultHighPercent, Roles: slices.Clone(DefaultRoles)}
}

// level is that of so many accounts of a directory.
func (r *RiskRules) level(n, of int) RiskLevel {
	switch {
	case n == 0:
		return NoRisk
	case of <= FewAccounts:
		return LowRisk
	case n*100 >= r.HighPercent*of:
		return HighRisk
	case n*100 > r.MediumPercent*of:
		return MediumRisk
	}
	return LowRisk
}

// RiskCode is what a risk is about. Its text is stable.
type RiskCode string

const (
	AddressesStop     RiskCode = "addresses_stop"
	AccountsLose      RiskCode = "accounts_lose_mail_or_primary"
	ListsStop         RiskCode = "lists_stop"
	RolesStop         RiskCode = "role_addresses_stop"
	SharedStop        RiskCode = "shared_mailboxes_stop"
	NewcomersRejected RiskCode = "newcomers_rejected"
	NearLimit         RiskCode = "near_limit"
	LimitLifted       RiskCode = "limit_lifted"
	AddressesMove     RiskCode = "addresses_move"
	HandsChange       RiskCode = "accounts_change_hands"
	WouldStop         RiskCode = "withheld"
	LeftOutToStop     RiskCode = "left_out"
)

// riskOrder is the order in which risks are listed.
var riskOrder = []RiskCode{
	AddressesStop, AccountsLose, ListsStop, RolesStop, SharedStop, NewcomersRejected, NearLimit, LimitLifted, AddressesMove, HandsChange,
	WouldStop, LeftOutToStop,
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

// RiskLevel returns the highest level of all risks.
func (p *Plan) RiskLevel() RiskLevel { return RiskOf(p.Risks) }

// Assess judges the risk of the plan as it is now, always first what becomes of
// addresses.
func (p *Plan) Assess(rules RiskRules) {
	roles := make(map[string]bool, len(rules.Roles))
	for _, name := range rules.Roles {
		roles[name] = true
	}
	stop, would, leftOut := Risk{Code: AddressesStop}, Risk{Code: WouldStop}, Risk{Code: LeftOutToStop}
	role, move := Risk{Code: RolesStop, Level: HighRisk}, Risk{Code: AddressesMove, Level: LowRisk}
	for i := range p.Changes {
		switch c := &p.Changes[i]; c.Category {
		case Inactive:
			isRole := roles[c.Address.Local()]
			switch {
			case c.Withheld:
				would.addWithRole(c.Address, isRole)
			case isRole:
				role.add(c.Address)
				fallthrough
			default:
				stop.Count++
			}
		case AliasSwitch, AliasToPrimary, PrimaryToAlias, PrimarySwitch:
			move.Count++
		}
	}
	for i := range p.LeftOut {
		if l := &p.LeftOut[i]; l.category() == Inactive {
			x := l.address()
			leftOut.addWithRole(x, roles[x.Local()])
		}
	}
	lists, shared := Risk{Code: ListsStop, Level: MediumRisk}, Risk{Code: SharedStop, Level: MediumRisk}
	hands := Risk{Code: HandsChange, Level: LowRisk}
	by := map[string]*Risk{}
	directory := func(c *AccountChange) *Risk {
		name := countedFor(c)
		if by[name] == nil {
			by[name] = &Risk{Code: AccountsLose, Directory: name}
		}
		return by[name]
	}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		after := c.Result()
		switch {
		case c.Before == nil || c.Gone:
		case after == nil && !c.Before.Active():
		case after == nil || c.Before.Active() && !after.Active():
			removed := boolInt(after == nil)
			directory(c).Removed += removed
			directory(c).Accounts += 1 - removed
			stop.Accounts += 1 - removed
			if c.Before.Type == identity.List {
				lists.add(c.Before.Primary)
				lists.Removed += removed
			}
			if slices.Contains(sharedTypes, identity.Lookup(c.Before.Attributes, RecipientType)) {
				shared.add(c.Before.Primary)
				shared.Removed += removed
			}
		default:
			if c.Before.Active() && after.Active() && after.Primary != c.Before.Primary {
				directory(c).Renamed++
			}
			if c.Before.Directory != after.Directory || c.Before.GUID != after.GUID {
				hands.Count++
			}
		}
	}
	if stop.Count > 0 {
		stop.Level = LowRisk
	}
	all := []Risk{stop}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		r := by[name]
		r.Count = r.Accounts + r.Removed + r.Renamed
		r.Active = p.activeOf(name)
		r.Level = rules.level(r.Count, r.Active)
		all = append(all, *r)
	}
	all = append(all, lists, role, shared, Risk{Code: NewcomersRejected, Level: MediumRisk, Count: p.newcomersRejected()})
	for i := range p.Allowances {
		a := &p.Allowances[i]
		for b, loss := range a.Losses {
			r := Risk{Code: NearLimit, Level: LowRisk, Brake: Brake(b), Count: loss.Count, Limit: loss.Bound, Active: a.Of(Brake(b)), Directory: a.Directory}
			switch {
			case a.Braked():
				continue
			case loss.Lifted:
				r.Code, r.Level = LimitLifted, HighRisk
			case r.Count*100 < nearLimit*r.Limit:
				continue
			}
			all = append(all, r)
		}
	}
	all = append(all, move, hands, would, leftOut)
	p.Risks = slices.DeleteFunc(all, func(r Risk) bool { return r.Count == 0 && r.Code != AddressesStop })
}

// activeOf returns how many accounts of a directory were active before.
func (p *Plan) activeOf(directory string) int {
	for _, a := range p.Active {
		if a.Directory == directory {
			return a.Accounts
		}
	}
	return 0
}

// newcomersRejected counts the objects that get no account, and have a rejection
// that is new. Those that wait for another system are no reason to look: it is the
// way in which they come.
func (p *Plan) newcomersRejected() int {
	rejected, waiting := map[string]bool{}, map[string]bool{}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		object := r.Directory + " " + r.object()
		if r.Reason == PrerequisiteMissing {
			waiting[object] = true
		} else if r.New && r.NoAccount {
			rejected[object] = true
		}
	}
	maps.DeleteFunc(rejected, func(object string, _ bool) bool { return waiting[object] })
	return len(rejected)
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
func (r *Risk) addWithRole(x identity.Address, role bool) {
	if r.Count++; role {
		r.Roles++
		r.name(x)
	}
}

func (r *Risk) name(x identity.Address) {
	if len(r.Names) < maxRiskNames {
		r.Names = append(r.Names, x.String())
	}
}

// Alarm is what a person must have read before applying the plan: its level of risk
// and the first of its gravest risks, or, of people or newcomers, what a mass change
// comes from. It is "" where the risk is below medium.
func (p *Plan) Alarm() string {
	level := p.RiskLevel()
	if level < MediumRisk {
		return ""
	}
	worst := &p.Risks[slices.IndexFunc(p.Risks, func(r Risk) bool { return r.Level == level })]
	text := worst.Text()
	if len(p.Causes) > 0 && (worst.Code == AccountsLose || worst.Code == NewcomersRejected) {
		text = p.Causes[0]
	}
	return level.String() + " risk: " + text
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
		text := several(n, "address stops", "addresses stop") + " receiving mail"
		switch {
		case n == 0:
			return "no address stops receiving mail"
		case r.Accounts > 0:
			text += "; " + several(r.Accounts, "account loses all mail", "accounts lose all mail")
		}
		return text
	case AccountsLose:
		return r.losing()
	case ListsStop:
		return r.ended("list", "lists") + r.names(n)
	case RolesStop:
		return several(n, "role address stops", "role addresses stop") + " working: " + r.names(n)
	case SharedStop:
		return r.ended("shared, room or equipment mailbox", "shared, room or equipment mailboxes") + r.names(n)
	case NewcomersRejected:
		return several(n, "new entry gets no account, because its addresses are rejected", "new entries get no account, because their addresses are rejected")
	case NearLimit:
		return fmt.Sprintf("%s (limit %s)", r.Brake.Text(n, r.Active, r.Directory, "are"), Thousands(r.Limit))
	case LimitLifted:
		return fmt.Sprintf("%s (limit %s, lifted for this run)", r.Brake.Text(n, r.Active, r.Directory, "are"), Thousands(r.Limit))
	case AddressesMove:
		return several(n, "address moves", "addresses move") + " to another account"
	case HandsChange:
		return several(n, "account gets a different owner", "accounts get a different owner")
	case WouldStop:
		return several(n, "address would stop", "addresses would stop") + " receiving mail, but a brake withholds that" + r.withRoles()
	case LeftOutToStop:
		return several(n, "address would stop", "addresses would stop") + " receiving mail, but this plan leaves that out" + r.withRoles()
	}
	return ""
}

// ended says how many lists or mailboxes lose all mail, and how many go.
func (r *Risk) ended(one, many string) string {
	stop, text := r.Count-r.Removed, ""
	if stop > 0 {
		text = several(stop, one+" stops", many+" stop") + " receiving mail"
	}
	switch {
	case r.Removed == 0:
	case stop == 0:
		text = several(r.Removed, one+" is", many+" are") + " removed"
	default:
		text += " and " + several(r.Removed, "is", "are") + " removed"
	}
	return text + ": "
}

// losing says how many accounts of a directory lose all mail, go, or get another
// primary.
func (r *Risk) losing() string {
	of := " of " + Thousands(r.Active) + " active accounts"
	if r.Directory != "" {
		of += " of " + r.Directory
	}
	var parts []string
	part := func(n int, one, many, what string) {
		if n > 0 {
			parts = append(parts, Thousands(n)+of+" "+oneOrMany(n, one, many)+what)
			of = ""
		}
	}
	part(r.Accounts, "loses", "lose", " all mail")
	part(r.Removed, "is", "are", " removed")
	part(r.Renamed, "gets", "get", " another primary")
	text := parts[0]
	if last := len(parts) - 1; last > 0 {
		text = strings.Join(parts[:last], ", ") + ", and " + parts[last]
	}
	return text + " (" + Percent(r.Count, r.Active) + ")"
}

func oneOrMany(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
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
		text += " and " + Thousands(more) + " more"
	}
	return text
}

func (r *Risk) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "code", string(r.Code))
	b = appendMember(b, ", ", "level", r.Level.String())
	b = fmt.Appendf(b, `, "count": %d`, r.Count)
	return append(appendMember(b, ", ", "text", r.Text()), '}')
}
