package exec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
)

var _ directory.Tester = (*Source)(nil)

// Test implements [directory.Tester]: it holds the connector to the protocol, on what its
// directory has. It reads that four times.
func (s *Source) Test(ctx context.Context, scopes []directory.Scope, report func(directory.TestResult)) error {
	sel, err := files.NewSelection(scopes)
	if err == nil {
		err = sel.Unsupported()
	}
	if err != nil {
		return err
	}
	c := &contract{ctx: ctx, source: s, scopes: scopes, sel: sel}
	c.begin()
	defer func() { c.talk.host.Close() }() // what came of that is a test
	for i, test := range tests {
		result := directory.TestResult{Name: test.name, Asks: test.asks, Outcome: directory.Passed}
		var found string
		err := error(unanswered)
		if i == 0 || c.greeted {
			found, err = test.do(c)
		}
		var skip skipped
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &skip):
			result.Outcome, found = directory.Skipped, string(skip)
		case err != nil:
			result.Outcome = directory.NotPassed
			found = strings.TrimPrefix(err.Error(), fmt.Sprintf("directory %q: ", s.o.Label))
			var refused *directory.RefusedError
			var misused *misusedError
			if errors.As(err, &refused) || errors.As(err, &misused) {
				return err // and so would be all others
			}
		}
		result.Found = found
		report(result)
	}
	return nil
}

// contract is a connector that is tested.
type contract struct {
	ctx    context.Context
	source *Source
	scopes []directory.Scope
	sel    *files.Selection
	talk   *talk
	facts  Facts
	// greeted is set once hello was answered well.
	greeted bool
	// first is what the first read gave; nil where it failed.
	first *census
}

// skipped says why a test does not apply.
type skipped string

func (s skipped) Error() string { return string(s) }

const (
	unanswered = skipped("the connector has not answered hello")
	unread     = skipped("the directory could not be read")
)

// begin prepares a connector that was not started yet.
func (c *contract) begin() { c.talk = c.source.begin(nil) }

// again ends the connector, whatever came of it, and prepares another.
func (c *contract) again() {
	c.talk.host.Close() // what came of that is a test of its own
	c.begin()
}

var tests = []struct {
	name, asks string
	do         func(*contract) (found string, err error)
}{
	{"hello", "hello is answered with version 1 of the protocol, a name, a version and facts", (*contract).hello},
	{"read", "read is answered with each object once, each with a dn, and with their number and complete", (*contract).read},
	{"read again", "a second read gives the same objects", (*contract).readAgain},
	{"read everything", `scopes with base "" and filter (objectClass=*) give every object`, (*contract).readEverything},
	{"scopes", "the objects at or below the base of a scope that its filter takes are among them", (*contract).inScopes},
	{"attributes", "objects have the attributes that scopes name, and a GUID", (*contract).attributes},
	{"find", "find gives the objects that have one of guids, addresses, dns or usernames, as read does", (*contract).find},
	{"find nobody", "what is not there has no line in the answer to find", (*contract).findNobody},
	{"check", "check is answered with findings, or with the error unsupported", (*contract).check},
	{"unknown request", "a type that is not known is answered with the error unsupported, and the connector goes on", (*contract).unknown},
	{"bye", "the connector ends after bye, and writes nothing else", (*contract).bye},
	{"end of input", "the connector ends when its input does, as when rollcall is killed", (*contract).endOfInput},
	{"killed", "a connector that was ended in the middle of a read, by TERM or KILL, can be started again, and gives the same objects", (*contract).killed},
}

func (c *contract) hello() (string, error) {
	facts, err := c.talk.facts(c.ctx)
	if err != nil {
		return "", err
	}
	c.facts, c.greeted = facts, true
	g := c.talk.host.Greeting()
	if g.Name == "" {
		return "", errors.New("it does not say its name")
	}
	return strings.TrimSpace(g.Name+" "+g.Version) + ", facts " + string(g.Facts), nil
}

// census is what one read gave.
type census struct {
	objects map[string]uint64 // hashes of the values, by DN
	taken   []int             // objects by scope
	having  []map[string]int  // by scope and attribute
	guids   []int             // by scope
	without string            // the DN of the first that a scope takes and that has no GUID
	samples []sample          // of what scopes take
}

// sample is an object that is found again.
type sample struct {
	dn, address, username string
	guid                  identity.GUID
	hash                  uint64
}

// mostSamples is how many objects are looked for.
const mostSamples = 3

func (c *contract) census() (*census, error) {
	all := &census{objects: map[string]uint64{}, taken: make([]int, len(c.scopes)), guids: make([]int, len(c.scopes))}
	mappers := make([]*directory.Mapper, len(c.scopes))
	for i := range c.scopes {
		mappers[i] = directory.NewMapper(&c.scopes[i])
		all.having = append(all.having, map[string]int{})
	}
	err := c.talk.answer(c.ctx, "read", appendWanted(appendScopes(nil, c.scopes), c.sel.Attributes, c.scopes), c.sel.Attributes, c.sel, func(o *object) error {
		hash := hashOf(o, c.sel.Attributes)
		all.objects[o.DN()] = hash
		i := c.sel.Scope(o)
		if i < 0 {
			return nil
		}
		all.taken[i]++
		for name := range o.Attributes() {
			all.having[i][filter.AttributeName(name)]++
		}
		entry, why := mappers[i].Entry(o)
		if why != "" {
			return nil
		}
		if entry.GUID.IsZero() {
			if all.without == "" && !c.scopes[i].Listing {
				all.without = o.DN()
			}
		} else {
			all.guids[i]++
		}
		if len(all.samples) < mostSamples {
			all.samples = append(all.samples, sample{dn: o.DN(), username: entry.Username, guid: entry.GUID, hash: hash})
			if len(entry.Primaries) > 0 {
				all.samples[len(all.samples)-1].address = strings.ToLower(entry.Primaries[0])
			}
		}
		return nil
	})
	return all, err
}

// hashOf is a hash of the values of an object, which have no order.
func hashOf(o directory.Object, attributes []string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range attributes {
		var texts []string
		for i, v := range o.Values(name) {
			texts = append(texts, o.Options(name, i)+":"+string(v))
		}
		slices.Sort(texts)
		fmt.Fprintf(&h, "%s%q", name, texts)
	}
	return h.Sum64()
}

// than says what one read gave otherwise than another, or "".
func (c *census) than(other *census) string {
	var differ []string
	for dn, hash := range c.objects {
		switch was, there := other.objects[dn]; {
		case !there:
			differ = append(differ, dn+" came anew")
		case was != hash:
			differ = append(differ, dn+" has other values")
		}
	}
	for dn := range other.objects {
		if _, there := c.objects[dn]; !there {
			differ = append(differ, dn+" did not come again")
		}
	}
	slices.Sort(differ)
	if more := len(differ) - 3; more > 0 {
		differ = append(differ[:3], fmt.Sprintf("and %s more", number.Thousands(more)))
	}
	return strings.Join(differ, "; ")
}

func (c *contract) read() (string, error) {
	all, err := c.census()
	if err != nil {
		return "", err
	}
	c.first = all
	return number.Count(len(all.objects), "object", "objects"), nil
}

// same reads once more, and once again where somebody may have changed the directory
// meanwhile.
func (c *contract) same() (string, error) {
	if c.first == nil {
		return "", unread
	}
	for attempt := range 2 {
		all, err := c.census()
		if err != nil {
			return "", err
		}
		differ := all.than(c.first)
		if differ == "" {
			found := number.Count(len(all.objects), "object", "objects") + ", as before"
			if attempt > 0 {
				found += ", after the directory had changed meanwhile"
			}
			return found, nil
		}
		if attempt > 0 {
			return "", errors.New(c.talk.host.Clean(differ))
		}
		c.first = all
	}
	panic("unreachable")
}

func (c *contract) readAgain() (string, error) { return c.same() }

func (c *contract) readEverything() (string, error) {
	if c.first == nil {
		return "", unread
	}
	all := map[string]bool{}
	err := c.talk.all(c.ctx, c.sel.Attributes, c.scopes, c.sel, func(o *object) error {
		all[o.DN()] = true
		return nil
	})
	if err != nil {
		return "", err
	}
	for dn := range c.first.objects {
		if !all[dn] {
			return "", fmt.Errorf("%s is not among them, and was in the answer to the scopes of the configuration", c.talk.host.Clean(dn))
		}
	}
	return number.Count(len(all), "object", "objects"), nil
}

func (c *contract) inScopes() (string, error) {
	if c.first == nil {
		return "", unread
	}
	var counts []string
	for i := range c.scopes {
		if c.first.taken[i] == 0 {
			return "", fmt.Errorf("of %s %s takes none; see whether base_dn and filter fit the names and attributes that the connector gives", number.Count(len(c.first.objects), "object", "objects"), c.scopes[i].Subject())
		}
		counts = append(counts, fmt.Sprintf("%s: %s", c.scopes[i].Subject(), number.Thousands(c.first.taken[i])))
	}
	return strings.Join(counts, ", "), nil
}

func (c *contract) attributes() (string, error) {
	if c.first == nil {
		return "", unread
	}
	var counts []string
	for i := range c.scopes {
		s := &c.scopes[i]
		for _, name := range s.Named {
			n := c.first.having[i][filter.AttributeName(name)]
			if n == 0 && c.first.taken[i] > 0 {
				return "", fmt.Errorf("no object of %s has %s", s.Subject(), name)
			}
			counts = append(counts, fmt.Sprintf("%s with %s", number.Thousands(n), name))
		}
		if !s.Listing {
			counts = append(counts, number.Thousands(c.first.guids[i])+" with a GUID")
		}
	}
	if c.first.without != "" {
		return "", fmt.Errorf("%s has no GUID: give each object objectGUID or entryUUID, or name in guid_attribute what stays with an object", c.talk.host.Clean(c.first.without))
	}
	return strings.Join(counts, ", "), nil
}

// asks makes a request for single objects, and returns hashes of the values by DN.
func (c *contract) asks(guids []identity.GUID, addresses, dns, usernames []string) (map[string]uint64, error) {
	found := map[string]uint64{}
	body := appendWanted(appendFind(nil, guids, addresses, dns, usernames), c.sel.Attributes, c.scopes)
	err := c.talk.answer(c.ctx, "find", body, c.sel.Attributes, c.sel, func(o *object) error {
		found[o.DN()] = hashOf(o, c.sel.Attributes)
		return nil
	})
	return found, err
}

func (c *contract) find() (string, error) {
	switch {
	case c.first == nil:
		return "", unread
	case !c.facts.Find:
		return "", skipped(`the connector does not state the fact "find"`)
	case len(c.first.samples) == 0:
		return "", skipped("no scope takes an object")
	}
	n := 0
	for _, x := range c.first.samples {
		for _, by := range []struct {
			what, text                string
			guids                     []identity.GUID
			addresses, dns, usernames []string
		}{
			{what: "dn", text: x.dn, dns: []string{x.dn}},
			{what: "address", text: x.address, addresses: []string{x.address}},
			{what: "username", text: x.username, usernames: []string{x.username}},
			{what: "guid", text: x.guid.String(), guids: []identity.GUID{x.guid}},
		} {
			if by.text == "" || by.guids != nil && (x.guid.IsZero() || isKeyed(x.guid, c.scopes)) {
				continue
			}
			found, err := c.asks(by.guids, by.addresses, by.dns, by.usernames)
			if err != nil {
				return "", err
			}
			hash, there := found[x.dn]
			what := c.talk.host.Clean(fmt.Sprintf("%s by %s %s", x.dn, by.what, by.text))
			switch {
			case !there:
				return "", fmt.Errorf("did not find %s", what)
			case hash != x.hash:
				return "", fmt.Errorf("found %s with other values than read gave", what)
			}
			n++
		}
	}
	several, err := c.findSeveral()
	if err != nil {
		return "", err
	}
	return number.Count(len(c.first.samples), "object", "objects") + ", in " + number.Count(n+several, "request", "requests"), nil
}

// findSeveral asks for all samples at once, behind something that is not there, and in
// several lists.
func (c *contract) findSeveral() (requests int, err error) {
	name, guid := nobody()
	var dns, addresses, usernames []string
	var guids []identity.GUID
	for _, x := range c.first.samples {
		dns = append(dns, x.dn)
		if x.address != "" {
			addresses = append(addresses, x.address)
		}
		if x.username != "" {
			usernames = append(usernames, x.username)
		}
		if !x.guid.IsZero() && !isKeyed(x.guid, c.scopes) {
			guids = append(guids, x.guid)
		}
	}
	unknown := struct {
		guids                     []identity.GUID
		addresses, dns, usernames []string
	}{[]identity.GUID{guid}, []string{name + "@example.com"}, []string{"CN=" + name}, []string{name}}
	for _, ask := range []struct {
		what                      string
		guids                     []identity.GUID
		addresses, dns, usernames []string
		wanted                    int
	}{
		{"dns", nil, nil, append(unknown.dns, dns...), nil, len(dns)},
		{"addresses", nil, append(unknown.addresses, addresses...), nil, nil, len(addresses)},
		{"usernames", nil, nil, nil, append(unknown.usernames, usernames...), len(usernames)},
		{"guids", append(unknown.guids, guids...), nil, nil, nil, len(guids)},
		{"dns, beside guids, addresses and usernames that nothing has", unknown.guids, unknown.addresses, dns, unknown.usernames, len(dns)},
		{"addresses, beside guids, dns and usernames that nothing has", unknown.guids, addresses, unknown.dns, unknown.usernames, len(addresses)},
	} {
		if ask.wanted == 0 {
			continue
		}
		found, err := c.asks(ask.guids, ask.addresses, ask.dns, ask.usernames)
		if err != nil {
			return requests, err
		}
		requests++
		n := 0
		for _, x := range c.first.samples {
			if _, there := found[x.dn]; there {
				n++
			}
		}
		if n < ask.wanted {
			return requests, fmt.Errorf("found %d of %d that were asked for at once, by %s", n, ask.wanted, ask.what)
		}
	}
	return requests, nil
}

// nobody is what no object has.
func nobody() (name string, guid identity.GUID) {
	rand.Read(guid[:])
	guid[6], guid[8] = guid[6]&0x0f|0x40, guid[8]&0x3f|0x80
	return "rollcall-test-" + strings.ToLower(rand.Text()[:10]), guid
}

func (c *contract) findNobody() (string, error) {
	if !c.facts.Find {
		return "", skipped(`the connector does not state the fact "find"`)
	}
	name, guid := nobody()
	found, err := c.asks([]identity.GUID{guid}, []string{name + "@example.com"}, []string{"CN=" + name}, []string{name})
	if err != nil {
		return "", err
	}
	for dn := range found {
		return "", fmt.Errorf("found %s, which nobody asked for", c.talk.host.Clean(dn))
	}
	return "nothing was found", nil
}

func (c *contract) check() (string, error) {
	found, err := c.talk.check(c.ctx, c.scopes)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "no findings", nil
	}
	var texts []string
	for _, f := range found {
		texts = append(texts, f.Check+" "+f.Status)
	}
	return strings.Join(texts, ", "), nil
}

func (c *contract) unknown() (string, error) {
	err := c.talk.request(c.ctx, "rollcall-test", []byte(`,"rollcall_test":{"unknown":[1]}`), func(*line) (bool, error) {
		return false, &connector.Breach{Text: "answered a type that it cannot know"}
	})
	var said *Error
	switch {
	case err == nil:
		return "", errors.New("it answered a type that it cannot know")
	case !errors.As(err, &said):
		return "", err
	case said.Code != unsupported:
		return "", fmt.Errorf("it answered with the error %s", connector.Quote(said.Code))
	}
	if _, err := c.talk.check(c.ctx, c.scopes); err != nil {
		return "", err
	}
	return "the error unsupported", nil
}

func (c *contract) bye() (string, error) {
	if _, err := c.talk.facts(c.ctx); err != nil {
		return "", err
	}
	start := time.Now()
	err := c.talk.host.Close()
	took := time.Since(start)
	c.begin()
	switch grace := c.talk.host.Options.Grace; {
	case err != nil:
		return "", err
	case took >= grace:
		return "", fmt.Errorf("it had not ended %v after bye", grace)
	}
	return fmt.Sprintf("ended after %.1f s", took.Seconds()), nil
}

func (c *contract) endOfInput() (string, error) {
	if _, err := c.talk.facts(c.ctx); err != nil {
		return "", err
	}
	start := time.Now()
	if !c.talk.host.HangUp() {
		return "", fmt.Errorf("it had not ended %v after the end of its input", c.talk.host.Options.Grace)
	}
	return fmt.Sprintf("ended after %.1f s", time.Since(start).Seconds()), nil
}

func (c *contract) killed() (string, error) {
	if c.first == nil {
		return "", unread
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	err := c.talk.answer(ctx, "read", appendWanted(appendScopes(nil, c.scopes), c.sel.Attributes, c.scopes), c.sel.Attributes, c.sel, func(*object) error {
		cancel()
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return "", err
	}
	c.again()
	return c.same()
}
