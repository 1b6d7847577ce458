package console

import (
	"context"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is a kind of console. Each has a folder below this one and a line in the
// list of package all.
type Kind struct {
	settings.Kind
	// Embedded says that the accounts are those of the state.
	Embedded bool
	// Open begins to use a console. What it returns was reached, if it can be, and
	// has facts.
	Open func(ctx context.Context, o Opening) (Target, error)
	// Program returns the command of a connector, the folder in which it runs and
	// the JSON that it is given, for a kind that has one; nil for another.
	Program func(settings.Values) (command []string, folder string, config []byte)
	// Setup finds out what a console of the kind has to be given before it can be
	// used; nil for a kind whose consoles need nothing.
	Setup func(ctx context.Context, o Opening) (Setup, error)
	// Survey asks a console what a block has to say that somebody begins to write;
	// nil for a kind that cannot. Settings that are required and were not given hold
	// their examples.
	Survey func(ctx context.Context, o Opening, given func(setting string) bool) (Survey, error)
}

// Survey is what a console says for the block that is to be written.
type Survey struct {
	// Settings are values for settings that nobody has given, as --console-set of
	// rollcall init takes them.
	Settings map[string]string
	// Notes are sentences for who reads the block.
	Notes []string
}

// Setup is what a console is given once, before it is used.
type Setup struct {
	// Script is what is done, in the language of the product, such as SQL; "" if the
	// console has it already.
	Script string
	// Run does it.
	Run func(ctx context.Context) error
}

// Opening is what a console is opened with: its block, and whose console it is.
type Opening struct {
	// Label is that of the block.
	Label    string
	Settings settings.Values
	// Owner marks the accounts of the configuration.
	Owner string
	// Domains are those that the configuration declares as its own.
	Domains []string
	// Release is the version of rollcall.
	Release string
	// Timeout is how long the console may be silent, Concurrency how many requests
	// it is given at a time.
	Timeout     time.Duration
	Concurrency int
	// LockFile is the path of a file that whoever changes the console may hold, so
	// that the next run waits for what a crash has left behind; "" for a use that
	// changes nothing.
	LockFile string
	// Log hears what the console says beside its answers, Progress how far it is.
	// Either may be nil.
	Log, Progress func(text string)
	// Ledger are the accounts of the state, for a console that is in it.
	Ledger []identity.Account
}
