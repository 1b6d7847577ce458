package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/console"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/words"
)

// starterFile is what init writes.
const starterFile = "rollcall.hcl"

type initCommand struct {
	URL         string   `placeholder:"URL" help:"Ask this server what it holds, such as ldaps://dc1.corp.example.com."`
	BindDN      string   `placeholder:"NAME" help:"The account to log in as: a distinguished name, or for Active Directory name@domain."`
	PasswordEnv string   `placeholder:"VARIABLE" help:"The environment variable that holds the password, now and for later runs (default ROLLCALL_PASSWORD)."`
	CAFile      string   `type:"path" placeholder:"FILE" help:"Certificates, in PEM, of the authorities to trust in place of the system's."`
	Kind        choice   `words:"directories" placeholder:"KIND" help:"active_directory or ldap; default: ask the server."`
	StartTLS    bool     `help:"Use StartTLS on an ldap:// connection."`
	Insecure    bool     `help:"Allow the password to be sent without encryption."`
	Console     choice   `words:"consoles" placeholder:"KIND" help:"Write a console block of this kind, such as exec for a program of your own; by default the accounts live in the state."`
	ConsoleSet  []string `placeholder:"NAME=VALUE" sep:"none" help:"Write this setting into the console block, such as url=https://idp.example.com/scim/v2 or token=env(\"SCIM_TOKEN\"), and ask the console for the others; repeatable."`
}

func (initCommand) Help() string {
	return `Writes a commented starter configuration, rollcall.hcl, into the configuration directory, which has none yet. With --url it is made for what the server holds: its naming context, and the mail domains of its entries, counted by reading all that list an address. Nothing is changed on the server. With --console it has a console block of that kind, to be filled in. Settings that --console-set gives are written into it, and with them rollcall asks the console for the rest; docs/reference/consoles.md has what each kind is asked.

Examples:
  rollcall init
  rollcall init --console exec
  rollcall init --console scim --console-set url=https://idp.example.com/scim/v2 --console-set 'token=env("SCIM_TOKEN")'
  rollcall init --url ldaps://dc1.example.com --bind-dn svc@example.com

Exit codes: 0 done; 1 failed, or there is a configuration already; 10 the server could not be read completely; 12 credentials were refused; 70 internal error; 80 wrong usage; 130 interrupted.`
}

// Validate refuses flags that say nothing without the others.
func (c *initCommand) Validate() error {
	switch {
	case c.URL == "" && c.BindDN+c.PasswordEnv+c.CAFile+string(c.Kind) != "" || c.URL == "" && (c.StartTLS || c.Insecure):
		return errors.New("--url is missing: it names the server to ask")
	case c.PasswordEnv != "" && c.BindDN == "":
		return errors.New("--password-env goes with --bind-dn")
	case c.Console == "" && len(c.ConsoleSet) > 0:
		return errors.New("--console-set goes with --console")
	}
	_, err := c.given()
	return err
}

// given are the settings of the console block, by name.
func (c *initCommand) given() (map[string]string, error) {
	if c.Console == "" {
		return nil, nil
	}
	known := map[string]settings.Setting{}
	k := consoles.Kind(string(c.Console))
	for _, s := range k.Settings {
		known[s.Name] = s
	}
	for _, b := range k.Blocks {
		for _, s := range b.Settings {
			known[b.Name+"."+s.Name] = s
		}
	}
	given := map[string]string{}
	for _, text := range c.ConsoleSet {
		name, value, ok := strings.Cut(text, "=")
		s, there := known[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("--console-set %s: write NAME=VALUE", name)
		case !there:
			return nil, fmt.Errorf("--console-set: %w", words.Unknown("setting of kind "+string(c.Console), name, slices.Sorted(maps.Keys(known))))
		case s.Secret && !config.IsExpression(value):
			return nil, fmt.Errorf(`--console-set %[1]s: a secret belongs in the environment, not in the file; write '%[1]s=env("VARIABLE")'`, name)
		}
		given[name] = value
	}
	return given, nil
}

func (c *initCommand) Run(s *session) error {
	files, err := config.Files(s.dir)
	files = slices.DeleteFunc(files, config.IsTest)
	if err == nil && len(files) > 0 {
		return hinted{fmt.Errorf("there is a configuration already: %s", files[0]), "change that one, or name another directory with -C"}
	}
	var survey *config.Survey
	if c.URL != "" {
		if survey, err = c.survey(s); err != nil {
			return inFlags{err}
		}
	}
	text := config.Starter(survey)
	if c.Console != "" {
		block, err := c.console(s)
		if err != nil {
			return err
		}
		text = append(append(text, '\n'), block...)
	}
	cfg, diags := config.Check(s.dir, starterFile, text, s.now(), knownKinds)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(s.dir, starterFile)
	if err := atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if _, err := fmt.Fprintln(s.stdout, render.Escape(path)); err != nil {
		return err
	}
	if fault := flagFault(diags); fault != nil {
		s.warn("the file is not valid yet: %v", fault)
	} else {
		for _, warning := range cfg.Warnings() {
			s.warn("%s", warning)
		}
	}
	switch {
	case survey == nil:
	case survey.Entries == 0:
		s.warn("the server showed no entry with an address: check the rights of the account")
	default:
		s.note("%s with addresses in %s", countedY(survey.Entries, "entr"), counted(len(survey.Domains), "domain"))
	}
	next := "next: read the file, then rollcall validate, rollcall doctor and rollcall plan"
	if c.Console != "" && c.Console != config.Local {
		next = "next: read the file and fill in its console block, then rollcall validate, rollcall doctor, rollcall console and rollcall plan"
	}
	s.note("%s", next)
	return nil
}

// console makes the console block, of what was given and what the console itself
// says.
func (c *initCommand) console(s *session) (string, error) {
	k := consoles.Kind(string(c.Console))
	given, err := c.given()
	if err != nil {
		return "", err
	}
	block := config.ConsoleStarter(k.Kind, given, nil)
	if k.Survey == nil || len(given) == 0 && !k.Files {
		return block, nil
	}
	cfg, diags := config.Check(s.dir, starterFile, append(append(config.Starter(nil), '\n'), block...), s.now(), knownKinds)
	if cfg == nil || diags.HasErrors() && len(given) > 0 {
		return "", flagFault(diags)
	}
	found, err := k.Survey(s.ctx, console.Opening{
		Label: cfg.Console.Name, Settings: cfg.Console.Settings, Owner: cfg.Console.Owner, Release: release, Timeout: cfg.Console.Timeout, Concurrency: 1,
	}, func(name string) bool { _, known := given[name]; return known })
	if s.ctx.Err() != nil {
		return "", context.Canceled
	}
	if err != nil {
		return "", err
	}
	for name, value := range found.Settings {
		if _, known := given[name]; !known {
			given[name] = value
		}
	}
	return config.ConsoleStarter(k.Kind, given, found.Notes), nil
}

// survey asks the server. What the flags say is checked as a configuration
// first, so that both have the same rules.
func (c *initCommand) survey(s *session) (*config.Survey, error) {
	survey := &config.Survey{Kind: string(c.Kind), URL: c.URL, StartTLS: c.StartTLS, Insecure: c.Insecure, BindDN: c.BindDN}
	if c.BindDN != "" {
		survey.PasswordEnv = "ROLLCALL_PASSWORD"
		if c.PasswordEnv != "" {
			survey.PasswordEnv = c.PasswordEnv
		}
		if _, ok := os.LookupEnv(survey.PasswordEnv); !ok {
			return nil, hinted{usageError{fmt.Errorf("the environment variable %q is not set", survey.PasswordEnv)},
				fmt.Sprintf("export %s=..., or name another variable with --password-env", survey.PasswordEnv)}
		}
	}
	if survey.Kind == "" {
		survey.Kind = config.ActiveDirectory // whose names for a login include all others
	}
	if c.CAFile != "" {
		var err error
		if survey.CAFile, err = pathFrom(s.dir, c.CAFile); err != nil {
			return nil, err
		}
	}
	asked := *survey
	asked.Domains = []config.SurveyDomain{{Name: "example.com"}} // a configuration has one
	cfg, diags := config.Check(s.dir, starterFile, config.Starter(&asked), s.now(), knownKinds)
	if diags.HasErrors() {
		return nil, flagFault(diags)
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	server, err := s.open(cfg, &cfg.Directories[0], "")
	if err != nil {
		return nil, err
	}
	found, err := server.Source.(*ldap.Source).Survey(s.ctx, ldap.SurveyOptions{
		FindKind: c.Kind == "", Aliases: config.SurveyAliases(), Attributes: append(config.SurveyAliases(), config.SurveyAttributes()...),
	}, func(p directory.Progress) {
		progress.Update("reading from "+p.From, "objects", p.Objects)
	})
	if err != nil {
		return nil, err
	}
	if !found.ActiveDirectory {
		survey.Kind = config.LDAP
	}
	survey.Base, survey.Contexts, survey.Entries, survey.Having = found.Base, found.Contexts, found.Entries, found.Having
	for name, n := range found.Domains {
		survey.Domains = append(survey.Domains, config.SurveyDomain{Name: name, Addresses: n.Addresses, Contacts: n.Contacts})
	}
	return survey, nil
}

// pathFrom writes a path as a file in dir would: relative if it is below.
func pathFrom(dir, path string) (string, error) {
	base, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(base, path); err == nil && !strings.HasPrefix(rel, "..") {
		path = rel
	}
	return filepath.ToSlash(path), nil
}

// flagFault is the first problem, or nil, of a configuration that was made of
// flags.
func flagFault(diags config.Diagnostics) error {
	for i := range diags {
		if d := &diags[i]; d.Severity == config.Error {
			return hinted{usageError{errors.New(d.Summary)}, d.Hint}
		}
	}
	return nil
}

// inFlags is an error that speaks of a file which is not there yet, put in the
// flags that stand for it.
type inFlags struct{ error }

func (e inFlags) Error() string { return asFlags.Replace(e.error.Error()) }
func (e inFlags) Unwrap() error { return e.error }

// Hint says what to do next.
func (e inFlags) Hint() string { return asFlags.Replace(directory.HintOf(e.error)) }

// asFlags puts flags in place of attributes, and leaves out what no flag says.
// Of two that begin at one place the first counts.
var asFlags = strings.NewReplacer(
	`directory "corp": `, "", `scope "survey": `, "", `scope "survey" has no base_dn, and `, "",
	"set ca_file to", "name with --ca-file", "ca_file", "--ca-file",
	"set bind_dn", "give --bind-dn", "bind_dn", "--bind-dn", "bind_password", "--password-env",
	"set start_tls = true", "give --start-tls", "start_tls = true", "--start-tls", "start_tls", "--start-tls",
	"name more servers in urls", "name another server with --url", "in urls", "in --url", ", or the SRV records of domain", "",
	", or log in with kerberos or client_cert", "", ", client_cert or kerberos", "", " (client_cert)", "",
	"set base_dn in the scope", "write the file without --url", "lower page_size in the directory block", "write the file without --url and lower page_size there",
	"set client_cert and client_key", "write the file without --url and set client_cert and client_key there",
	"make base_dn and filter narrower", "write the file without --url", "index the attributes of the filter", "write the file without --url",
	"to read base_dn and everything below it", "to read the naming context and everything below it",
	"set timeout in the directory block if the server needs longer", "try again later, or write the file without --url and set timeout there",
)
