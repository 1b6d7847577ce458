package config

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// The kinds of directories that are surveyed.
const (
	ActiveDirectory = "active_directory"
	LDAP            = "ldap"
)

// Survey is how a server is reached and what it was found to hold.
type Survey struct {
	// Kind is [ActiveDirectory] or [LDAP].
	Kind, URL          string
	StartTLS, Insecure bool
	// BindDN is "" for nobody; PasswordEnv is the variable that holds its
	// password.
	BindDN, PasswordEnv string
	// CAFile is a path, relative to the configuration's directory, or "".
	CAFile string

	// Base is the DN that is read, "" for the root; Contexts are other naming
	// contexts.
	Base     string
	Contexts []string
	// Entries counts those that list an address.
	Entries int
	// Having counts the entries that have one of [SurveyAliases] or
	// [SurveyAttributes].
	Having map[string]int
	// Domains are those of the addresses, in any order.
	Domains []SurveyDomain
}

// SurveyDomain is a mail domain of a directory.
type SurveyDomain struct {
	// Name is in lower case.
	Name string
	// Addresses counts those of entries in the domain; Contacts are how many of
	// them are those of contacts, who have their mailboxes elsewhere.
	Addresses, Contacts int
}

// SurveyAliases returns the attributes in which a directory may list aliases,
// the usual one first.
func SurveyAliases() []string {
	return []string{"proxyAddresses", "mailAlternateAddress", "mailLocalAddress"}
}

// SurveyAttributes returns what a survey counts beside [SurveyAliases].
func SurveyAttributes() []string {
	return []string{"sAMAccountName", "uid", "objectGUID", "entryUUID", "nsUniqueId", surveyRecipientType}
}

// surveyRecipientType tells the mailboxes of Exchange apart.
const surveyRecipientType = "msExchRecipientTypeDetails"

// starterDomain is a domain as the starter has it.
type starterDomain struct {
	Name, Addresses string
	// Note says why it is not simply declared: it is left Out, or Public.
	Note        string
	Out, Public bool
}

//go:embed starter.hcl.tmpl
var starterText string

var starterTemplate = template.Must(template.New("starter").Funcs(template.FuncMap{"quote": quote}).Parse(starterText))

// quote writes a text as a string of HCL in one line.
func quote(text string) string { return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes()) }

// Starter returns a configuration to begin with, commented and in canonical
// layout. It reads the server of the survey, or, without one, a file.
func Starter(s *Survey) []byte {
	data := struct {
		*Survey
		Domains        []starterDomain
		Own            string // a domain of primary addresses
		Aliases        []string
		Username, GUID string
		RecipientType  string
	}{Survey: s, Own: "example.com"}
	if s != nil {
		data.Domains, data.Own = s.domains()
		aliases := slices.DeleteFunc(SurveyAliases(), func(name string) bool { return s.Having[name] == 0 })
		if len(aliases) > 0 && !slices.Equal(aliases, SurveyAliases()[:1]) {
			data.Aliases = aliases
		}
		if s.Kind == LDAP && s.Having["uid"] < s.Having["sAMAccountName"] {
			data.Username = "sAMAccountName"
		}
		// 389 Directory Server may have given some entries an entryUUID, and all a
		// nsUniqueId.
		if s.Having["nsUniqueId"] > max(s.Having["objectGUID"], s.Having["entryUUID"]) {
			data.GUID = "nsUniqueId"
		}
		if s.Having[surveyRecipientType] > 0 {
			data.RecipientType = surveyRecipientType
		}
	}
	var b bytes.Buffer
	if err := starterTemplate.Execute(&b, data); err != nil {
		panic(err) // no value above can fail
	}
	return layout(b.Bytes())
}

// domains returns the domains by how many addresses they have, and one that is
// declared and not public. If only ones to leave out were found, the first of
// them is declared; if only public ones were, a made-up one; and if none were,
// that stands in a comment.
func (s *Survey) domains() (list []starterDomain, own string) {
	found := slices.DeleteFunc(slices.Clone(s.Domains), func(d SurveyDomain) bool { return !identity.ValidDomain(d.Name) })
	slices.SortFunc(found, func(a, b SurveyDomain) int {
		return cmp.Or(cmp.Compare(b.Addresses, a.Addresses), cmp.Compare(a.Name, b.Name))
	})
	for _, f := range found {
		d := starterDomain{Name: f.Name, Addresses: "1 address", Public: slices.Contains(publicDomains, f.Name)}
		if f.Addresses != 1 {
			d.Addresses = fmt.Sprintf("%d addresses", f.Addresses)
		}
		switch top := f.Name[strings.LastIndexByte(f.Name, '.')+1:]; {
		case d.Public:
			d.Note = "a mail provider's"
		case slices.Contains(privateDomains, top):
			d.Out, d.Note = true, "no mail from outside comes to ."+top
		case strings.HasSuffix(f.Name, ".onmicrosoft.com"):
			d.Out, d.Note = true, "an internal name of Microsoft 365"
		case f.Contacts == f.Addresses:
			d.Out, d.Note = true, "only contacts have it, whose mailboxes are elsewhere"
		case own == "":
			own = d.Name
		}
		list = append(list, d)
	}
	if own != "" {
		return list, own
	}
	for i := range list {
		if d := &list[i]; d.Out {
			d.Out = false
			d.Note += "; declared because none is better"
			return list, d.Name
		}
	}
	own = "example.com"
	return append(list, starterDomain{Name: own, Addresses: "0 addresses", Note: "an example: write your own domain", Out: len(list) == 0}), own
}

// publicDomains are those of large mail providers.
var publicDomains = []string{
	"126.com", "163.com", "aol.com", "comcast.net", "free.fr", "freenet.de", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "googlemail.com",
	"hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr", "icloud.com", "libero.it", "live.com", "mac.com", "mail.com", "mail.ru", "me.com", "msn.com",
	"orange.fr", "outlook.com", "outlook.de", "pm.me", "proton.me", "protonmail.com", "qq.com", "t-online.de", "wanadoo.fr", "web.de", "yahoo.co.jp",
	"yahoo.co.uk", "yahoo.com", "yahoo.de", "yahoo.fr", "yandex.ru", "ymail.com", "zoho.com",
}

// privateDomains are the last labels of names that are not in the public DNS
// (RFC 2606, RFC 6762 appendix G, and common use).
var privateDomains = []string{"corp", "home", "internal", "intern", "intra", "intranet", "invalid", "lan", "local", "localdomain", "localhost", "private", "test"}
