package suite

import (
	"crypto/rand"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// checks are all checks in their order: the first finds out whether the console
// can be read, the last whether it is as it was.
var checks = []check{
	{"read", "A read yields every account once, and its receipt counts them; two reads with nothing between are equal.",
		nil, (*run).reads},
	{"facts", "The facts are the same each time the console is opened, and fit together.",
		nil, (*run).sensible},

	// The categories of changes.
	{"add", "A new account has every field as it was asked for.",
		nil, (*run).add},
	{"inactive", "An account that becomes inactive is kept with its primary alone, or is gone where inactive accounts are removed.",
		nil, (*run).inactive},
	{"primary_change", "An account gets another primary and stays the same account: its ref stays, if refs are stable, and the old address is nobody's.",
		needs(renames), (*run).primaryChange},
	{"directory_switch", "The mark of an account names another directory.",
		needs(marks), (*run).directorySwitch},
	{"alias_switch", "An alias goes from one account to another, the giver first.",
		needs(aliases), (*run).aliasSwitch},
	{"alias_to_primary", "An alias of one account becomes the primary of another.",
		needs(aliases), (*run).aliasToPrimary},
	{"primary_to_alias", "The primary of one account becomes an alias of another.",
		needs(aliases, renames), (*run).primaryToAlias},
	{"primary_switch", "The primary of an account that is removed becomes that of another.",
		needs(reuses), (*run).primarySwitch},
	{"type_change", "A user becomes a list, and a list a user.",
		needs(twoTypes), (*run).typeChange},
	{"username_change", "An account gets another username.",
		needs(field(plan.FieldUsername)), (*run).usernameChange},
	{"adoption", "An account without a mark gets one. An account that is released has none.",
		needs(marks), (*run).adoption},
	{"guid_change", "The mark of an account names another GUID.",
		needs(marks), (*run).guidChange},
	{"reactivation", "An inactive account is active again and has aliases; where inactive accounts are removed, it is made anew.",
		nil, (*run).reactivation},
	{"removal", "An account that is removed is in no read any more.",
		nil, (*run).removal},
	{"attribute_change", "An account gets another value of an attribute.",
		needs(attribute), (*run).attributeChange},
	{"dn_change", "An account gets another DN.",
		needs(field(plan.FieldDN)), (*run).dnChange},

	// What a change leaves and what it clears.
	{"aliases_emptied", "An account whose list of aliases is empty has none any more, and their addresses are nobody's.",
		needs(aliases), (*run).aliasesEmptied},
	{"attribute_cleared", "An attribute that is cleared (null) has no value any more.",
		needs(attribute), (*run).attributeCleared},
	{"untouched_fields", "A field that a change does not name (a key that is absent from after) stays as it is.",
		nil, (*run).untouchedFields},
	{"initial_attributes", "An attribute that is given at creation alone is there, and stays when the account is changed.",
		needs(attribute, outside), (*run).initialAttributes},
	{"texts", "Texts are kept as they are: every script, quotes, backslashes, commas and line feeds.",
		needs(attribute), (*run).texts},

	// Changes that belong together.
	{"swap", "Two accounts swap their primaries: in one request where groups are made all or none, else through a temporary primary.",
		needs(renames), func(r *run) { r.rotate(2) }},
	{"ring", "Three accounts pass their primaries on in a ring.",
		needs(renames), func(r *run) { r.rotate(3) }},
	{"swap_failed", failing, needs(renames), func(r *run) { r.rotateTaken() }},
	{"ring_failed", failing, needs(renames), func(r *run) { r.rotateChanged() }},

	// What must not be made, and what not twice.
	{"repeated_key", "A change that was made is not made again when its key comes again, and is answered as the first time.",
		needs(outside), (*run).repeatedKey},
	{"answers", "The answer to a change has the ref and the rev of the account, as the next read has them; a further change may carry them.",
		nil, (*run).answers},
	{"stale_rev", "A change that carries a rev which the account no longer has is answered changed, and not made.",
		nil, (*run).staleRev},
	{"stale_before", "A change without a rev is answered changed, and not made, if any field of before is not what the account has.",
		nil, (*run).staleBefore},
	{"gone", "A change of an account that was removed is answered gone, and makes no account.",
		nil, (*run).gone},
	{"taken_primary", "Nobody gets the primary of another account: the answer is taken, with the address and the ref of the holder.",
		nil, (*run).takenPrimary},
	{"taken_alias", "Nobody gets an alias of another account: the answer is taken, with the address and the ref of the holder.",
		needs(aliases), (*run).takenAlias},
	{"mark_twice", "No two accounts have one mark: to create another is an error.",
		needs(marks), (*run).markTwice},
	{"foreign", "An account whose mark is another's is read with that mark. A change of it is answered refused, and leaves it byte for byte as it is.",
		needs(marks), (*run).foreign},
	{"get", "Get finds accounts by ref and by address, be it primary or alias, each once, and nothing where there is nothing.",
		nil, (*run).gets},
	{"dry_run", "A change that is tried is answered as if it were made, and not made.",
		needs(func(r *run) string {
			if !r.facts.DryRun {
				return "the console tries nothing (fact dry_run is false)"
			}
			return ""
		}), (*run).dryRun},
	{"ledger", "The console remembers a ledger for each owner, none at first, and has it when it is opened again. A claim in place of another one than is there is answered changed, and not made.",
		needs(ledgers), (*run).ledgers},

	// What goes wrong on the way.
	{"interrupted", "When a request is broken off, each of its changes is made as a whole or not at all, and what was answered ok is made.",
		nil, (*run).interrupted},

	// The protocol.
	{"hello", "Hello is answered with protocol 1, a name and facts; a hello without protocol 1 with an error.",
		needs(connector), (*run).hello},
	{"unknown_type", "A request of an unknown type is answered with the error unsupported, and the next request as ever.",
		needs(connector), (*run).unknownType},
	{"unknown_fields", "Keys that are not known are passed over, in requests, changes and accounts.",
		needs(connector), (*run).unknownFields},
	{"absent_and_null", "A key that is absent from after, or an empty object of attributes, leaves what is there; null clears it.",
		needs(connector), (*run).absentAndNull},
	{"lines", "Each answer carries the id of its request; a read ends with the count of its accounts and complete: true, an apply with the count of its answers.",
		needs(connector), (*run).lines},
	{"cancel", "A connector reads its input while it applies: once cancel comes, it finishes the change at hand, and answers the rest cancelled.",
		needs(connector), (*run).cancel},
	{"bye", "Bye is answered, and the connector ends.",
		needs(connector), (*run).bye},
	{"end_of_input", "When its input ends, a connector finishes the change at hand, makes no other, and ends.",
		needs(connector), (*run).endOfInput},
	{"killed", "A connector that is killed leaves each change made as a whole or not at all, what was answered ok made, and the console readable.",
		needs(connector), (*run).killed},

	{"many", "Many accounts are created, read and removed.",
		nil, (*run).many},
	{"throttled", "A change that is put off is answered throttled with retry_after, or temporary, and made when it is asked for again.",
		nil, (*run).throttling},
	{"left_alone", "What was there before is byte for byte as it was, and nothing of the suite is left.",
		nil, (*run).leftAlone},
}

const failing = "When a change of a group fails, none is made and the others are answered cancelled, where groups are made all or none; elsewhere the later changes of the group are answered cancelled and not made."

func (r *run) add() {
	a := r.account("ann", "ann.alias", "a.alias")
	b := r.account("all")
	if twoTypes(r) == "" {
		b.Type = identity.List
	}
	r.make(r.put(nil, a), r.put(nil, b))
	r.expect(a, b)
}

func (r *run) inactive() {
	a := r.account("ann", "ann.alias")
	live := r.create(a)[0]
	if r.facts.Removes {
		r.make(r.remove(live))
		r.absent("it was removed", a.Primary)
		return
	}
	b := changed(a, func(b *identity.Account) { b.Status, b.Aliases = identity.Inactive, nil })
	r.make(r.put(live, b))
	r.expect(b)
	r.absent("it was an alias of an account that is inactive", a.Aliases...)
}

func (r *run) primaryChange() {
	a := r.account("ann", "ann.alias")
	live := r.create(a)[0]
	b := changed(a, func(b *identity.Account) { b.Primary = r.address("ann.smith") })
	r.make(r.put(live, b))
	r.expect(b)
	r.absent("the account has another primary", a.Primary)
	if now := r.find(b)[0]; !r.facts.Unstable && now.Ref != live.Ref {
		r.fail("%s had the ref %q as %s, and has %q now; a ref survives renames, or fact ref_stable is false", b.Primary, live.Ref, a.Primary, now.Ref)
	}
}

// change makes one change of one account and expects what came of it.
func (r *run) change(change func(*identity.Account)) {
	a := r.account("ann", "ann.alias")
	live := r.create(a)[0]
	b := changed(a, change)
	r.make(r.put(live, b))
	r.expect(b)
}

func (r *run) directorySwitch() {
	r.change(func(a *identity.Account) { a.Directory = "rollcall-test-lab" })
}

func (r *run) guidChange() {
	r.change(func(a *identity.Account) { _, _ = rand.Read(a.GUID[:]) })
}

func (r *run) usernameChange() {
	r.change(func(a *identity.Account) { a.Username = "asmith" })
}

func (r *run) dnChange() {
	r.change(func(a *identity.Account) { a.DN = "CN=ann,OU=Other,DC=example,DC=com" })
}

func (r *run) attributeChange() {
	r.change(func(a *identity.Account) { a.Attributes[0].Value = r.short("Smith, Ann") })
}

func (r *run) typeChange() {
	other := func(a *identity.Account) { a.Type = 1 - a.Type }
	a := r.account("ann", "ann.alias")
	b := changed(r.account("all"), other)
	lives := r.create(a, b)
	c, d := changed(a, other), changed(b, other)
	r.make(r.put(lives[0], c), r.put(lives[1], d))
	r.expect(c, d)
}

func (r *run) aliasSwitch() {
	a, b := r.account("ann", "help"), r.account("bob")
	lives := r.create(a, b)
	a2 := changed(a, func(a *identity.Account) { a.Aliases = nil })
	b2 := changed(b, func(b *identity.Account) { r.alias(b, "help") })
	r.make(together(r.put(lives[0], a2), r.put(lives[1], b2))...)
	r.expect(a2, b2)
}

func (r *run) aliasToPrimary() {
	a, b := r.account("ann", "help"), r.account("help")
	lives := r.create(a)
	a2 := changed(a, func(a *identity.Account) { a.Aliases = nil })
	r.make(together(r.put(lives[0], a2), r.put(nil, b))...)
	r.expect(a2, b)
}

func (r *run) primaryToAlias() {
	a, b := r.account("help"), r.account("bob")
	lives := r.create(a, b)
	a2 := changed(a, func(a *identity.Account) { a.Primary = r.address("ann") })
	b2 := changed(b, func(b *identity.Account) { r.alias(b, "help") })
	r.make(together(r.put(lives[0], a2), r.put(lives[1], b2))...)
	r.expect(a2, b2)
}

func (r *run) primarySwitch() {
	a, b := r.account("help"), r.account("help", "bob.alias")
	lives := r.create(a)
	r.make(together(r.remove(lives[0]), r.put(nil, b))...)
	r.expect(b)
}

func (r *run) adoption() {
	a := r.account("ann", "ann.alias")
	live := r.create(a)[0]
	local := changed(a, func(a *identity.Account) { a.Directory, a.GUID = "", identity.GUID{} })
	r.make(r.put(live, local))
	r.expect(local)
	r.make(r.put(r.find(local)[0], a))
	r.expect(a)
}

func (r *run) reactivation() {
	a := r.account("ann")
	live := r.create(a)[0]
	b := changed(a, func(b *identity.Account) { r.alias(b, "ann.alias") })
	if aliases(r) != "" {
		b = a
	}
	if r.facts.Removes {
		if why := reuses(r); why != "" {
			r.skip(why)
		}
		r.make(r.remove(live))
		r.make(r.put(nil, b))
		r.expect(b)
		return
	}
	idle := changed(a, func(b *identity.Account) { b.Status = identity.Inactive })
	r.make(r.put(live, idle))
	r.make(r.put(r.find(idle)[0], b))
	r.expect(b)
}

func (r *run) removal() {
	a, b := r.account("ann", "ann.alias"), r.account("bob")
	lives := r.create(a, b)
	r.make(r.remove(lives[0]))
	r.absent("the account was removed", append(a.Aliases, a.Primary)...)
	r.expect(b)
}

func (r *run) aliasesEmptied() {
	a := r.account("ann", "ann.alias", "a.alias")
	live := r.create(a)[0]
	b := changed(a, func(b *identity.Account) { b.Aliases = nil })
	r.make(r.put(live, b))
	r.expect(b)
	r.absent("its account has no aliases", a.Aliases...)
}

func (r *run) attributeCleared() {
	r.change(func(a *identity.Account) { a.Attributes = nil })
}

// untouchedFields changes one field and leaves the others out, though the account
// of the step has other values in them.
func (r *run) untouchedFields() {
	a := r.account("ann", "ann.alias")
	live := r.create(a)[0]
	step := r.put(live, changed(a, func(b *identity.Account) {
		b.Username, b.DN, b.Aliases, b.Attributes = "", "", nil, nil
	}))
	want := a
	switch {
	case r.facts.Keeps(plan.FieldUsername):
		want = changed(a, func(b *identity.Account) { b.Username = "asmith" })
		step.After.Username, step.Fields, step.Clear = "asmith", []string{plan.FieldUsername}, nil
	case !r.facts.FixedPrimary:
		want = changed(a, func(b *identity.Account) { b.Primary = r.address("ann.smith") })
		step.After.Primary, step.Fields, step.Clear = want.Primary, []string{plan.FieldPrimary}, nil
	default:
		r.skip("the console has no field that can change alone")
	}
	r.make(step)
	r.expect(want)
}

func (r *run) initialAttributes() {
	a := r.account("ann")
	want := changed(a, func(a *identity.Account) { a.Attributes[0].Value = r.short("initially") })
	a.Attributes = nil
	step := r.put(nil, a)
	step.Initial = want.Attributes
	r.make(step)
	r.expect(want)
	if renames(r) == "" {
		b := changed(want, func(b *identity.Account) { b.Primary = r.address("ann.smith") })
		step := r.put(r.find(want)[0], changed(b, func(b *identity.Account) { b.Attributes = nil }))
		step.Fields, step.Clear = []string{plan.FieldPrimary}, nil
		r.make(step)
		r.expect(b)
	}
}

// texts are names that somebody has, and texts that formats trip over.
func (r *run) texts() {
	all := []string{
		"Jürgen Groß-Müller", "Nguyễn Thị Ánh", "Ólafur Þórðarson", "Łukasz Żółć",
		"Жуковский Ёж", "Παπαδόπουλος", "محمد عبد الله", "דוד כהן", "山田 太郎", "김민수", "ธนพร", "प्रिया",
		"e\u0301 and é", "🦊 𝒻ℴ𝓍", "O'Brien \"Bob\" Smith", `back\slash \n \u0041 C:\`, "Smith, Ann; Berlin | Paris",
		"one\nand two", "tab\tthere", "=1+1", "null", "<b>&amp;</b>", "100% %s {0} $HOME", "a\u2028b",
	}
	accounts := make([]*identity.Account, len(all))
	for i, text := range all {
		a := r.account("text" + string(rune('a'+i)))
		a.Attributes[0].Value = r.short(text)
		accounts[i] = a
	}
	// Usernames and DNs are texts, too.
	accounts[0].Username, accounts[0].DN = "jgroß", `CN=Groß\, Jürgen "Jo",OU=Zürich,DC=example,DC=com`
	r.create(accounts...)
	r.expect(accounts...)
}
