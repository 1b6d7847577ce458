package plan_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// The pools are small, so that whatever can meet does: the same address in two
// entries, the same GUID in two directories, a hold on what is protected.
var (
	poolDirectories = []string{"corp", "emea", "lab", "gone"}
	poolLocals      = []string{"a", "b", "c", "d", "e", "f"}
	poolDomains     = []string{"example.com", "example.com", "example.com", "example.org", "example.org", "gmail.com"}
	// What entries list beside the addresses of the console: alias domains,
	// unknown ones, letter case, and what is no address. "K" is the Kelvin
	// sign, which lower-cases to a letter.
	poolOddDomains = []string{"example.net", "example.net", "example.biz", "googlemail.com", "unknown.com", "EXAMPLE.COM", "Example.Net", "gmail.com", "tenant.com", "Tenant.com", "a.wild.com", "b.a.wild.com", "known.wild.com"}
	poolMalformed  = []string{
		"x@nolabel", "X@NoLabel", "no-at-sign", "a@@example.com", ".dot@example.com", "a.@example.com", "a@-x.com",
		"a b@example.com", "\u212a@example.com", "\u00dcb@example.com", "a@example.com.",
		strings.Repeat("l", 65) + "@example.com", "a@" + strings.Repeat("d", 64) + ".com", strings.Repeat("l", 64) + "@" + strings.Repeat("d.", 95) + "com",
	}
	poolNames = []string{"ann", "Ann", "bob", "cat", "A Very Long Display Name", strings.Repeat("\u00fc", 256), strings.Repeat("y", 257)}
	poolNow   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

func poolGUID(n int) (g identity.GUID) {
	binary.BigEndian.PutUint32(g[:], uint32(n)+1)
	g[6], g[8] = 0x42, 0x83
	return g
}

type generator struct {
	*rand.Rand
	in   plan.Input
	used map[identity.Address]bool
	big  bool // enough accounts for the percentage to count
	odd  bool // many candidates, guards and inactive accounts at once
}

// generate makes the input of a seed and a number: a consistent console, and
// directories that agree with it about half of the time.
func generate(seed, n uint64) plan.Input {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, n)), used: map[identity.Address]bool{}}
	g.big = g.chance(0.02)
	g.odd = g.chance(0.15)
	g.in.Now = poolNow
	g.rules()
	g.console()
	g.entries()
	g.Shuffle(len(g.in.Entries), func(i, j int) { g.in.Entries[i], g.in.Entries[j] = g.in.Entries[j], g.in.Entries[i] })
	g.Rand = rand.New(rand.NewPCG(seed^0xfac7, n))
	if g.chance(0.12) {
		g.in.Facts = g.facts()
	}
	g.Rand = rand.New(rand.NewPCG(seed^0x0a17, n))
	for g.chance(0.15) {
		g.prerequisite()
	}
	return g.in
}

// prerequisite makes another system list some of what entries have.
func (g *generator) prerequisite() {
	p := plan.Prerequisite{Label: "elsewhere", Directory: pick(g, g.in.Rules.Directories), Attribute: "mail", Match: pick(g, []plan.Match{
		plan.MatchPrimary, plan.MatchPrimary, plan.MatchAddress, plan.MatchAddress, plan.MatchGUID, plan.MatchUsername,
	})}
	for i := range g.in.Rules.Scopes {
		if g.chance(0.7) {
			p.Scopes = append(p.Scopes, g.in.Rules.Scopes[i].Name)
		}
	}
	var values []string
	for i := range g.in.Entries {
		e := &g.in.Entries[i]
		for _, value := range slices.Concat(e.Primaries, e.Aliases) {
			switch {
			case g.chance(0.4):
				values = append(values, value)
			case g.chance(0.1):
				values = append(values, strings.Replace(value, "example.com", "example.net", 1))
			}
		}
		if g.chance(0.4) {
			values = append(values, e.GUID.String(), strings.ToUpper(e.Username))
		}
	}
	g.in.Rules.Prerequisites = append(g.in.Rules.Prerequisites, p)
	g.in.Others = append(g.in.Others, p.Match.Values(values, plan.NewDomains(g.in.Rules.Domains)))
}

// facts are what a console cannot do.
func (g *generator) facts() (f plan.Facts) {
	f.FixedPrimary = g.chance(0.2)
	if g.chance(0.2) {
		f.Types = []identity.Type{identity.User}
	}
	if g.chance(0.3) {
		f.MaxAliases = 1 + g.IntN(3)
	}
	if g.chance(0.2) {
		f.Domains = []string{"example.com", "gmail.com"}
	}
	if g.chance(0.2) {
		f.Lengths = map[string]int{identity.DisplayName: 2, plan.Username: 4}
	}
	if g.chance(0.3) {
		f.DeletedBlocks = time.Hour
	}
	return f
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

// often is chance, with another probability in an odd world.
func (g *generator) often(p, odd float64) bool {
	if g.odd {
		p = odd
	}
	return g.chance(p)
}

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) rules() {
	r := &g.in.Rules
	r.Domains = []plan.Domain{
		{Name: "example.com", Aliases: []string{"example.net"}},
		{Name: "example.org", Aliases: []string{"example.biz"}},
		{Name: "gmail.com", Aliases: []string{"googlemail.com"}, Public: true, AliasFor: []string{"example.com"}},
	}
	if g.chance(0.5) {
		r.Domains = append(r.Domains, plan.Domain{Name: "tenant.com", Ignore: true})
	}
	if g.chance(0.3) {
		r.Domains = append(r.Domains, plan.Domain{Name: "*.wild.com", Ignore: true}, plan.Domain{Name: "known.wild.com"})
	}
	if g.chance(0.2) {
		r.Domains[2].AliasFor = []string{"example.com", "example.org"}
	}
	for _, name := range poolDirectories[:1+g.IntN(3)] {
		r.Directories = append(r.Directories, name)
		if g.chance(0.85) {
			g.in.Read = append(g.in.Read, name)
		}
	}
	for i, n := 0, 1+g.IntN(3); i < n; i++ {
		s := plan.Scope{
			Name: string(rune('s')) + string(rune('1'+i)), Directory: r.Directories[i%len(r.Directories)],
			Domains: []string{"example.com", "example.org"}, Adopt: g.chance(0.6), Rebind: g.chance(0.5),
		}
		if g.chance(0.3) {
			s.Directory = pick(g, r.Directories)
		}
		if g.chance(0.2) {
			s.Domains = s.Domains[:1]
		}
		if g.chance(0.1) {
			s.Domains = append(s.Domains, "gmail.com")
		}
		switch g.IntN(6) {
		case 0:
			s.MaxLength = map[string]int{identity.DisplayName: 3, plan.Username: 5}
		case 1:
			s.MaxLength = map[string]int{"department": 3}
		}
		r.Scopes = append(r.Scopes, s)
	}
	guard := func(label string, until time.Time) plan.Guard {
		w := plan.Guard{Label: label, Reason: "test", Until: until}
		for range 1 + g.IntN(2) {
			w.Addresses = append(w.Addresses, g.address())
		}
		return w
	}
	if g.often(0.35, 0.9) {
		r.Protected = append(r.Protected, guard("vip", time.Time{}))
	}
	if g.often(0.2, 0.4) {
		var until time.Time
		switch g.IntN(4) {
		case 0: // over since midnight
			until = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		case 1: // its last day
			until = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		}
		r.Holds = append(r.Holds, guard("case", until))
	}
	for b := range r.Limits {
		r.Limits[b] = plan.Limit{Most: 100, Percent: 100}
		if g.chance(0.12) {
			r.Limits[b].Most = g.IntN(4)
		}
		if g.big || g.chance(0.1) {
			r.Limits[b].Percent = pick(g, []int{0, 50, 90, 95, 100})
		}
		if g.chance(0.1) {
			r.Limits[b].Allowed = 1 + g.IntN(4)
		}
	}
}

// address is one that a console may hold or a guard name.
func (g *generator) address() identity.Address {
	domain := pick(g, poolDomains)
	switch g.IntN(40) {
	case 0:
		domain = "unknown.com"
	case 1:
		domain = "example.net" // as an import may have left it
	case 2:
		domain = "tenant.com"
	}
	if g.big {
		return identity.MustAddress(pick(g, poolLocals) + pick(g, poolLocals) + pick(g, poolLocals) + "@" + domain)
	}
	return identity.MustAddress(pick(g, poolLocals) + "@" + domain)
}

// unused is an address that no account has yet; the zero one if luck is out.
func (g *generator) unused() identity.Address {
	for range 4 {
		if x := g.address(); !g.used[x] {
			g.used[x] = true
			return x
		}
	}
	return identity.Address{}
}

func (g *generator) dn(n int) string {
	return pick(g, []string{"cn=u", "CN=u", "cn=U", "cn = u"}) + string(rune('0'+n)) + pick(g, []string{",dc=x", ",DC=x", ", dc=x", ",dc=y"})
}

func (g *generator) attributes() (attrs []identity.Attribute) {
	if g.chance(0.2) {
		attrs = append(attrs, identity.Attribute{Name: "department", Value: pick(g, poolNames)})
	}
	if g.chance(0.4) {
		attrs = append(attrs, identity.Attribute{Name: identity.DisplayName, Value: pick(g, poolNames)})
	}
	return attrs
}

func (g *generator) username() string {
	if g.chance(0.7) {
		return "ann"
	}
	return pick(g, poolNames)
}

func (g *generator) kind() identity.Type {
	if g.chance(0.1) {
		return identity.List
	}
	return identity.User
}

func (g *generator) console() {
	n := g.IntN(7)
	if g.chance(0.1) {
		n += 2
	}
	if g.big {
		n = 14 + g.IntN(4)
	}
	owners := map[string]bool{}
	for range n {
		a := identity.Account{Primary: g.unused(), Type: g.kind()}
		if a.Primary.IsZero() {
			continue
		}
		if !g.chance(0.2) || g.big {
			a.Directory = pick(g, slices.Concat(g.in.Rules.Directories, g.in.Rules.Directories, poolDirectories))
			guid := g.IntN(8)
			if g.big {
				a.Directory, guid = pick(g, []string{"corp", "corp", "corp", "corp", "corp", "corp", "corp", "emea"}), g.IntN(100)
			}
			a.GUID, a.Username = poolGUID(guid), g.username()
			a.DN = g.dn(guid % 10)
			if owners[a.Directory+a.GUID.String()] {
				continue
			}
			owners[a.Directory+a.GUID.String()] = true
		} else if g.chance(0.5) {
			a.GUID = poolGUID(g.IntN(8)) // as an import with GUIDs has left it
		}
		a.Attributes = g.attributes()
		if g.often(0.15, 0.35) {
			a.Status = identity.Inactive
		} else {
			for range g.IntN(4) {
				if x := g.unused(); !x.IsZero() {
					a.Aliases = append(a.Aliases, x)
				}
			}
			slices.SortFunc(a.Aliases, identity.Address.Compare)
		}
		g.in.Accounts = append(g.in.Accounts, a)
	}
}

// readScopes are the indices of the scopes that may have entries.
func (g *generator) readScopes(dir string) (at []int32) {
	for i, s := range g.in.Rules.Scopes {
		if slices.Contains(g.in.Read, s.Directory) && (dir == "" || s.Directory == dir) {
			at = append(at, int32(i))
		}
	}
	return at
}

func (g *generator) entries() {
	all := g.readScopes("")
	if len(all) == 0 {
		return
	}
	for i := range g.in.Accounts {
		a := &g.in.Accounts[i]
		scopes := g.readScopes(a.Directory)
		if g.chance(0.15) {
			scopes = all
		}
		if len(scopes) == 0 || g.chance(0.3) || g.big && g.chance(0.85) {
			continue
		}
		e := identity.Entry{GUID: a.GUID, DN: a.DN, Username: a.Username, Attributes: a.Attributes, Type: a.Type, Scope: pick(g, scopes)}
		if a.Local() && (a.GUID.IsZero() || g.chance(0.5)) || g.chance(0.1) {
			e.GUID, e.DN = poolGUID(g.IntN(20)), g.dn(g.IntN(10))
		}
		if g.chance(0.15) {
			e.DN = g.dn(g.IntN(10))
		}
		if g.chance(0.15) {
			e.Username, e.Type, e.Attributes = g.username(), g.kind(), g.attributes()
		}
		if g.chance(0.85) {
			e.Primaries = append(e.Primaries, g.spelling(a.Primary))
		}
		for _, x := range a.Aliases {
			switch {
			case g.often(0.06, 0.3):
				e.Primaries = append(e.Primaries, g.spelling(x))
			case g.chance(0.75):
				e.Aliases = append(e.Aliases, g.spelling(x))
			}
		}
		g.more(&e, 0.25)
		g.in.Entries = append(g.in.Entries, e)
	}
	for range g.IntN(4) {
		e := identity.Entry{
			GUID: poolGUID(g.IntN(20)), DN: g.dn(g.IntN(10)), Username: g.username(), Attributes: g.attributes(), Type: g.kind(), Scope: pick(g, all),
		}
		g.more(&e, 0.9)
		g.in.Entries = append(g.in.Entries, e)
	}
	for i := range g.in.Entries {
		if g.chance(0.02) {
			g.in.Entries[i].GUID = identity.GUID{}
		}
	}
	// Two entries change places.
	if n := len(g.in.Entries); n > 1 && g.chance(0.1) {
		x, y := &g.in.Entries[0], &g.in.Entries[n-1]
		x.Primaries, y.Primaries = y.Primaries, x.Primaries
	}
	// An object that a second search finds, or the same search twice.
	if n := len(g.in.Entries); n > 0 && g.chance(0.1) {
		e := g.in.Entries[g.IntN(n)]
		if again := pick(g, g.readScopes(g.in.Rules.Scopes[e.Scope].Directory)); again != e.Scope {
			e.Scope, e.DN = again, strings.ToUpper(e.DN)
			if g.chance(0.5) {
				e.Primaries, e.Aliases, e.Mail = nil, nil, nil
				g.more(&e, 0.7)
			}
		}
		g.in.Entries = append(g.in.Entries, e)
	}
	g.in.Entries = consistent(g.in)
}

// consistent drops results that say different things of one object in one
// scope: no directory does, and nothing says which is right.
func consistent(in plan.Input) (entries []identity.Entry) {
	same := func(a, b *identity.Entry) bool {
		return a.Username == b.Username && a.Type == b.Type && a.DN == b.DN && slices.Equal(a.Primaries, b.Primaries) &&
			slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Attributes, b.Attributes) && slices.Equal(a.Mail, b.Mail)
	}
	for _, e := range in.Entries {
		if !slices.ContainsFunc(entries, func(o identity.Entry) bool {
			return o.Scope == e.Scope && o.GUID == e.GUID && identity.EqualDN(o.DN, e.DN) && !same(&o, &e)
		}) {
			entries = append(entries, e)
		}
	}
	return entries
}

// more adds values to an entry, with probability p each.
func (g *generator) more(e *identity.Entry, p float64) {
	if g.chance(p / 2) {
		e.Primaries = append(e.Primaries, g.value())
	}
	if g.often(0.05, 0.5) {
		e.Primaries = append(e.Primaries, g.value())
	}
	for range 3 {
		if g.chance(p / 2) {
			e.Aliases = append(e.Aliases, g.value())
		}
	}
	if len(e.Primaries) > 1 && g.chance(0.5) {
		e.Mail = append(e.Mail, pick(g, append([]string{g.value()}, e.Primaries...)))
		if g.chance(0.3) {
			e.Mail = append(e.Mail, g.value())
		}
	}
	if len(e.Aliases) > 0 && g.chance(0.03) {
		e.Primaries = append(e.Primaries, pick(g, e.Aliases))
	}
}

func (g *generator) value() string {
	switch {
	case g.chance(0.07):
		return pick(g, poolMalformed)
	case g.chance(0.12):
		return pick(g, poolLocals) + "@" + pick(g, poolOddDomains)
	}
	return g.spelling(g.address())
}

func (g *generator) spelling(x identity.Address) string {
	if g.chance(0.05) {
		return strings.ToUpper(x.String())
	}
	return x.String()
}

// bounded limits deactivations, and nothing else.
func bounded(deactivations, percent int) (l plan.Limits) {
	for b := range l {
		l[b] = plan.Limit{Most: 1 << 30, Percent: 100}
	}
	l[plan.Deactivations] = plan.Limit{Most: deactivations, Percent: percent}
	return l
}

// allow lifts every brake by n.
func allow(in *plan.Input, n int) {
	for b := range in.Rules.Limits {
		in.Rules.Limits[b].Allowed = n
	}
}
