package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// process is a connector at work. One goroutine at a time asks it.
type process struct {
	c       *Console
	cmd     *exec.Cmd
	out     *os.File
	lines   *wire.Lines // of out
	decoder wire.Decoder
	id      int64       // of the last request
	dog     *time.Timer // ends a silent process
	silent  atomic.Bool // the dog has bitten

	writing sync.Mutex
	in      *os.File

	changes atomic.Bool // it is asked to make changes

	end   func()        // ends the process and waits for it, once
	gone  atomic.Bool   // it was ended, or ended itself
	ended chan struct{} // closed when the process and its group have ended

	log struct {
		sync.Mutex
		lines int
		last  []string
		ended chan struct{} // closed when there is no more to come
	}
}

// start starts a process and greets it.
func (c *Console) start(ctx context.Context) (*process, error) {
	if err := c.acquireLock(ctx); err != nil {
		return nil, err
	}
	p, err := c.launch()
	if err != nil {
		return nil, c.lose(&breach{text: fmt.Sprintf("cannot be started: %v", err), advice: "correct command in the console block; a program without a slash is looked for in PATH, any other beside the configuration"})
	}
	if err := p.greet(ctx); err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

// acquireLock takes the lock, unless it is held already or there is none.
func (c *Console) acquireLock(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock != nil || c.o.LockFile == "" {
		return nil
	}
	lock, holders, err := acquireLock(ctx, c.o.LockFile, c.o.Timeout)
	switch {
	case errors.Is(err, errHeld):
		who, advice := "", "wait until it has ended, or end it"
		if len(holders) > 0 {
			who = " (process " + strings.Join(holders, ", ") + ")"
			advice += ": kill -TERM -" + strings.Join(holders, " -")
		}
		return &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("the connector of an earlier run is still at work%s after %v", who, c.o.Timeout),
			Advice: advice + ". If it leaves a program running that need not end, it must start that without file descriptor 3"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case err != nil:
		return &console.ReadError{Console: c.o.Label, Err: err, Advice: "let the user who runs rollcall write this file and its folder"}
	}
	c.lock = lock
	return nil
}

// note writes down which processes are there, for whoever waits for them.
func (c *Console) note() {
	if c.lock == nil {
		return
	}
	var b []byte
	for _, p := range c.running {
		b = append(strconv.AppendInt(b, int64(p.cmd.Process.Pid), 10), '\n')
	}
	// Nothing depends on it but the words of a message.
	if c.lock.Truncate(0) == nil {
		c.lock.WriteAt(b, 0)
	}
}

func (c *Console) launch() (*process, error) {
	if len(c.o.Command) == 0 {
		return nil, errors.New("there is no command")
	}
	var ours, theirs [3]*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
	}
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours[:])
			closeAll(theirs[:])
			return nil, err
		}
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
	}
	defer closeAll(theirs[:])
	cmd := exec.Command(c.o.Command[0], c.o.Command[1:]...)
	cmd.Dir, cmd.Env = c.o.Dir, c.secrets.environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	c.mu.Lock()
	defer c.mu.Unlock()
	ownGroup(cmd, c.lock)
	if err := cmd.Start(); err != nil {
		closeAll(ours[:])
		return nil, errors.New(c.secrets.clean(err.Error()))
	}
	p := &process{c: c, cmd: cmd, out: ours[1], lines: wire.NewLines(ours[1]), in: ours[0], ended: make(chan struct{})}
	p.log.ended = make(chan struct{})
	p.end = sync.OnceFunc(p.terminate)
	p.dog = time.AfterFunc(time.Hour, func() {
		p.silent.Store(true)
		p.end()
	})
	p.dog.Stop()
	c.running = append(c.running, p)
	c.note()
	go p.listen(ours[2])
	go p.wait(ours[2])
	return p, nil
}

// wait waits for the process, and for what it leaves behind.
func (p *process) wait(log *os.File) {
	p.cmd.Wait()
	p.gone.Store(true)
	if groupAlive(p.cmd) {
		endGroup(p.cmd, false)
		for deadline := time.Now().Add(p.c.grace); groupAlive(p.cmd) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		endGroup(p.cmd, true)
	}
	c := p.c
	c.mu.Lock()
	for i, other := range c.running {
		if other == p {
			c.running = append(c.running[:i], c.running[i+1:]...)
			break
		}
	}
	c.note()
	c.mu.Unlock()
	p.in.Close()
	// Who has left the group may keep these open for ever.
	for _, f := range []*os.File{p.out, log} {
		if f.SetReadDeadline(time.Now().Add(p.c.grace)) != nil {
			f.Close()
		}
	}
	close(p.ended)
	<-p.log.ended
	log.Close()
}

// terminate ends the process. One that makes changes may finish the one at hand.
func (p *process) terminate() {
	p.gone.Store(true)
	p.in.Close()
	if p.changes.Load() && p.endsBy(p.c.grace) {
		return
	}
	endGroup(p.cmd, false)
	if p.endsBy(p.c.grace) {
		return
	}
	endGroup(p.cmd, true)
	<-p.ended
}

// endsBy reports whether the process ends within a time.
func (p *process) endsBy(wait time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(wait):
		return false
	}
}

// discard ends a process that nobody listens to any more.
func (p *process) discard() {
	p.end()
	p.out.Close()
}

// over reports whether the process takes no request any more.
func (p *process) over() bool { return p.gone.Load() }

// listen hands on what the process writes to standard error.
func (p *process) listen(log *os.File) {
	defer close(p.log.ended)
	const most = 64 << 10
	buf, cut := make([]byte, 0, most), false
	flush := func() {
		if cut {
			// A secret that the cut divides would not be found.
			buf = buf[:max(len(buf)-p.c.secrets.longest, 0)]
		}
		text := p.c.secrets.clean(strings.TrimSuffix(string(buf), "\r"))
		if cut {
			text += "…"
		}
		buf, cut = buf[:0], false
		p.log.Lock()
		p.log.lines++
		p.log.last = append(p.log.last, text)
		if len(p.log.last) > 5 {
			p.log.last = p.log.last[1:]
		}
		p.log.Unlock()
		if p.c.o.Log != nil {
			p.c.talk.Lock()
			p.c.o.Log(text)
			p.c.talk.Unlock()
		}
	}
	block := make([]byte, 16<<10)
	for {
		n, err := log.Read(block)
		for rest := block[:n]; len(rest) > 0; {
			line, after, whole := bytes.Cut(rest, []byte{'\n'})
			room := min(len(line), most-len(buf))
			buf, cut = append(buf, line[:room]...), cut || room < len(line)
			if whole {
				flush()
			}
			rest = after
		}
		if err != nil {
			if len(buf) > 0 {
				flush()
			}
			return
		}
	}
}

// logged adds the last lines of the log to a breach, and returns how many lines
// there were.
func (p *process) logged(b *breach) (lines int) {
	p.log.Lock()
	defer p.log.Unlock()
	if len(p.log.last) == 0 {
		return 0
	}
	quoted := make([]string, len(p.log.last))
	for i, line := range p.log.last {
		if r := []rune(line); len(r) > 200 {
			line = string(r[:200]) + "…"
		}
		quoted[i] = line
	}
	b.text, b.quoted = b.text+"; the last on standard error: ", strings.Join(quoted, " | ")
	return p.log.lines
}

// greet says hello, and learns what the connector says of itself.
func (p *process) greet(ctx context.Context) error {
	c := p.c
	config := new(bytes.Buffer)
	if err := json.Compact(config, c.o.Config); err != nil || config.Len() == 0 {
		config.Reset()
		config.WriteString("{}")
	}
	body := identity.AppendJSONString([]byte(`,"protocols":[1],"rollcall":`), c.o.Release)
	body = append(append(body, `,"config":`...), config.Bytes()...)
	body = append(wire.AppendTexts(append(body, `,"domains":[`...), c.o.Domains, func(s string) string { return s }), `],"owner":`...)
	body = identity.AppendJSONString(body, c.o.Owner)
	const old = "take a connector that speaks version 1 of the protocol, or another version of rollcall"
	var said greeting
	var facts []byte
	err := p.ask(ctx, "hello", body, false, func(l *wire.Line) (bool, error) {
		switch {
		case l.Protocol == nil:
			return false, &breach{text: "answered hello without saying which protocol it speaks", advice: old}
		case *l.Protocol != protocol:
			return false, &breach{text: fmt.Sprintf("speaks version %d of the protocol, and rollcall version %d", *l.Protocol, protocol), advice: old}
		}
		var err error
		if said.facts, err = plan.ParseFacts(l.Facts); err != nil {
			return false, &breach{text: fmt.Sprintf("stated facts that are wrong: %v", err)}
		}
		said.product, said.version = c.secrets.clean(l.Name), c.secrets.clean(l.Version)
		facts = said.facts.AppendJSON(nil)
		return true, nil
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	first := c.hello
	if first == nil {
		c.hello = &said
	}
	c.mu.Unlock()
	if first != nil && !bytes.Equal(first.facts.AppendJSON(nil), facts) {
		return c.lose(&breach{text: "states other facts than when it was started first", advice: "every process of a connector states the same facts; start the run again if the console itself was changed"})
	}
	return nil
}

// ask makes a request and gives its answers to take until one is the last. When
// ctx ends, the process is told to begin no other change, or, if it is not asked
// to make any, is ended.
func (p *process) ask(ctx context.Context, kind string, body []byte, cancels bool, take func(*wire.Line) (last bool, err error)) error {
	p.id++
	request := append(strconv.AppendInt([]byte(`{"id":`), p.id, 10), `,"type":"`+kind+`"`...)
	request = append(append(request, body...), '}', '\n')
	what := "it answered " + kind
	p.changes.Store(cancels)
	defer p.changes.Store(false)
	p.dog.Reset(p.c.o.Timeout)
	err := p.write(request)
	p.dog.Stop()
	if err != nil && !p.over() {
		// It does not listen any more, and may have said why.
		p.shut()
	}
	interrupt := p.end
	if cancels {
		id := p.id
		interrupt = func() { p.write(fmt.Appendf(nil, `{"type":"cancel","target":%d}`+"\n", id)) }
	}
	watch := context.AfterFunc(ctx, interrupt)
	defer func() {
		if !watch() && !cancels {
			p.end() // it is about to be
		}
	}()
	for {
		line, err := p.next()
		if err != nil {
			if !cancels && ctx.Err() != nil {
				p.end()
				return ctx.Err()
			}
			return p.c.lose(p.failed(err, what))
		}
		l, err := p.decoder.Line(line)
		if err != nil {
			return p.c.lose(p.broken(&breach{text: fmt.Sprintf("wrote a line that is no message (%v)", err),
				advice: `only messages belong on standard output: print to standard error, as docs/reference/console-protocol.md says under "Keep the stream clean"`}, line))
		}
		last := false
		switch {
		case l.ID < p.id && l.ID > 0:
			err = &breach{text: fmt.Sprintf("wrote an answer to request %d after that had ended", l.ID)}
		case l.ID != p.id:
			err = &breach{text: fmt.Sprintf("answered request %d, and was asked %d", l.ID, p.id)}
		case l.Progress != nil:
			p.c.say(p.c.o.Progress, *l.Progress)
		case l.Error != nil && l.Key == nil:
			err = p.c.refused(p.c.clean(l.Error))
			last = true
		default:
			last, err = take(&l)
		}
		b, broken := err.(*breach)
		if last && len(p.lines.Rest()) > 0 && !broken {
			line = bytes.Clone(p.lines.Rest())
			b, broken = &breach{text: "wrote more after the end of its answers"}, true
		}
		switch {
		case broken:
			return p.c.lose(p.broken(b, line))
		case err != nil && !last:
			p.end() // nobody takes the rest
			return err
		case last:
			return err
		}
	}
}

// next returns the next line. Whoever is silent for too long is ended.
func (p *process) next() ([]byte, error) {
	if !p.lines.Ready() {
		p.dog.Reset(p.c.o.Timeout)
		defer p.dog.Stop()
	}
	return p.lines.Next()
}

func (p *process) write(b []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.in.Write(b)
	return err
}

// shut closes what the process reads, which lets it end.
func (p *process) shut() {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.in.Close()
}

// broken ends a process that has broken the protocol with a line.
func (p *process) broken(b *breach, line []byte) *breach {
	text, quoted := p.c.secrets.clean(b.text), p.c.secrets.excerpt(line)
	if b.quoted == "" {
		text += ": "
	} else {
		quoted = p.c.secrets.clean(b.quoted) + ": " + quoted
	}
	p.end()
	return &breach{text, b.advice, quoted}
}

// failed says why there is no line.
func (p *process) failed(err error, before string) *breach {
	const advice = `a message is one line; docs/reference/console-protocol.md says more under "Keep the stream clean"`
	rest := bytes.Clone(p.lines.Rest())
	switch {
	case p.silent.Load():
		p.end()
		var log breach
		text := fmt.Sprintf("was silent for %v before %s", p.c.o.Timeout, before)
		if lines := p.logged(&log); lines > 0 {
			text += fmt.Sprintf(", but wrote %d lines to standard error", lines)
		}
		return &breach{text + log.text, "a connector that needs long says so in progress answers; raise timeout in the console block where it cannot", log.quoted}
	case err == wire.ErrLong:
		return p.broken(&breach{text: fmt.Sprintf("wrote more than %d MiB without a newline", wire.MaxLine>>20), advice: advice}, rest)
	case err == wire.ErrCut:
		return p.broken(&breach{text: "ended its output in the middle of a line", advice: advice}, rest)
	}
	return p.died(before)
}

// died says how a process has ended that wrote no more.
func (p *process) died(before string) *breach {
	how := "closed its standard output"
	if p.endsBy(time.Second) || p.over() {
		<-p.ended
		how = "ended (" + p.cmd.ProcessState.String() + ")"
	}
	p.end()
	select {
	case <-p.log.ended:
	case <-time.After(p.c.grace):
	}
	b := &breach{text: how + " before " + before, advice: "its log says why; rollcall console test tries a connector by itself"}
	p.logged(b)
	return b
}

// bye asks the process to end, and sees to it that it does.
func (p *process) bye() error {
	p.id++
	late := time.AfterFunc(p.c.grace, p.end)
	defer late.Stop()
	defer p.out.Close()
	p.write(fmt.Appendf(nil, `{"id":%d,"type":"bye"}`+"\n", p.id))
	p.shut()
	var stray error
	wrote := func(line []byte) error {
		return fmt.Errorf("console %q: the connector %w", p.c.o.Label, &breach{text: "wrote something that belongs to no request: ", quoted: p.c.secrets.excerpt(line)})
	}
	for {
		line, err := p.lines.Next()
		if err != nil {
			break
		}
		if l, err := p.decoder.Line(line); stray == nil && (err != nil || l.ID != p.id) {
			stray = wrote(line)
		}
	}
	if rest := p.lines.Rest(); len(rest) > 0 && stray == nil {
		stray = wrote(rest)
	}
	<-p.ended
	<-p.log.ended
	return stray
}
