package sql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// The names of columns and parameters.
const (
	columnAddress   = "address"
	columnAliases   = "aliases"
	columnStatus    = "status"
	columnType      = "type"
	paramActive     = "active"
	attributePrefix = "attribute_"
	wasPrefix       = "was_"
)

var required = []string{columnAddress, columnAliases, columnStatus}

// statementsBlock is where they are written.
var statementsBlock = settings.Block{
	Name: "statements", Help: "for profile custom: how accounts are read and written",
	Settings: []settings.Setting{
		{Name: "read", Required: true, Help: "a SELECT that gives every account once, with the columns address, aliases, status and, if it likes, type, display_name and attribute_NAME"},
		{Name: "insert", Type: settings.Texts, Alone: true, Required: true, Help: "makes an account; of several statements, the first has to make one row"},
		{Name: "update", Type: settings.Texts, Alone: true, Required: true, Help: "changes the account :was_address; the first has to hit one row"},
		{Name: "delete", Type: settings.Texts, Alone: true, Required: true, Help: "removes the account :address; the first has to hit one row"},
	},
}

// parseCustom reads the statements, and says what is wrong with them.
func parseCustom(v settings.Values, d *dialect) (*custom, []settings.Problem) {
	c := &custom{}
	var problems []settings.Problem
	wrong := func(name string, item int, summary, hint string) {
		problems = append(problems, settings.Problem{Setting: "statements." + name, Part: settings.Value, Item: item, Summary: summary, Hint: hint})
	}
	if text := v.Text("read"); text != "" {
		var err error
		if c.read, err = parseStatement(text, d); err != nil {
			wrong("read", 0, "the statement read cannot be used: "+err.Error(), "write one SELECT")
		} else {
			c.checkRead(wrong)
		}
	}
	for _, s := range []struct {
		name string
		into *[]*statement
	}{{"insert", &c.insert}, {"update", &c.update}, {"delete", &c.delete}} {
		texts := v.Texts(s.name)
		used := map[string]bool{}
		broken := len(texts) == 0 // which is reported already
		for i, text := range texts {
			one, err := parseStatement(text, d)
			if err != nil {
				wrong(s.name, i, fmt.Sprintf("the statement %s cannot be used: %v", s.name, err), "values are written by name, as in :address")
				broken = true
				continue
			}
			for _, name := range one.names {
				used[name] = true
				if why := parameter(s.name, name); why != "" {
					wrong(s.name, i, fmt.Sprintf("the statement %s has a parameter :%s, %s", s.name, name, why), "parameters are "+parameters(s.name))
				}
			}
			*s.into = append(*s.into, one)
		}
		if !broken {
			if missing := lacking(s.name, used, required); len(missing) > 0 {
				wrong(s.name, 0, fmt.Sprintf("the statement %s lacks the parameter %s", s.name, strings.Join(missing, ", ")), "without it the account does not become what it is to be")
			}
		}
	}
	return c, problems
}

func (c *custom) checkRead(wrong func(name string, item int, summary, hint string)) {
	if len(c.read.names) > 0 {
		wrong("read", 0, fmt.Sprintf("the statement read has a parameter :%s, and takes none", c.read.names[0]), "it reads every account")
	}
	for _, column := range required {
		if !c.read.words[column] && !c.read.words["*"] {
			wrong("read", 0, fmt.Sprintf("the statement read gives no column %q", column), "name it: SELECT email AS address, …; its columns are address, aliases, status and, if it likes, type, display_name and attribute_NAME")
		}
	}
}

var plainParameters = []string{columnAddress, columnAliases, columnStatus, paramActive, columnType, identity.DisplayName, "local_part", "domain", "username", "dn"}

// parameter says why a statement takes no parameter of the name; "" if it does.
func parameter(statement, name string) string {
	plain, was := strings.CutPrefix(name, wasPrefix)
	switch {
	case was && statement != "update":
		return "which update alone has"
	case slices.Contains(plainParameters, plain), len(plain) > len(attributePrefix) && strings.HasPrefix(plain, attributePrefix):
		return ""
	}
	return "which is unknown"
}

func parameters(statement string) string {
	all := ":" + strings.Join(plainParameters, ", :") + " and :attribute_NAME"
	if statement == "update" {
		all += ", and each with was_ before it for what the account is"
	}
	return all
}

// lacking returns which parameters a statement has to have for columns of read, and has
// not.
func lacking(name string, used map[string]bool, columns []string) (missing []string) {
	if name == "delete" {
		columns = []string{columnAddress}
	}
	if name == "update" && !used[wasPrefix+columnAddress] {
		missing = append(missing, ":"+wasPrefix+columnAddress)
	}
	for _, column := range columns {
		switch {
		case used[column], column == columnStatus && used[paramActive]:
		case column == columnStatus:
			missing = append(missing, ":status or :active")
		default:
			missing = append(missing, ":"+column)
		}
	}
	return missing
}
