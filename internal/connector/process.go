package connector

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

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// process is a connector at work. One goroutine at a time asks it.
type process[L any] struct {
	h      *Host[L]
	cmd    *exec.Cmd
	out    *os.File
	lines  *Lines // of out
	decode func(line []byte) (L, error)
	id     int64       // of the last request
	dog    *time.Timer // ends a silent process
	silent atomic.Bool // the dog has bitten

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
func (h *Host[L]) start(ctx context.Context) (*process[L], error) {
	if err := h.acquireLock(ctx); err != nil {
		return nil, err
	}
	p, err := h.launch()
	if err != nil {
		return nil, h.lose(&Breach{Text: fmt.Sprintf("cannot be started: %v", err), Advice: "correct command in the " + h.protocol.Noun + " block; a program without a slash is looked for in PATH, any other beside the configuration"})
	}
	if err := p.greet(ctx); err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

// acquireLock takes the lock, unless it is held already or there is none.
func (h *Host[L]) acquireLock(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lock != nil || h.Options.LockFile == "" {
		return nil
	}
	lock, holders, err := acquireLock(ctx, h.Options.LockFile, h.Options.Timeout)
	switch {
	case errors.Is(err, errHeld):
		who, advice := "", "wait until it has ended, or end it"
		if len(holders) > 0 {
			who = " (process " + strings.Join(holders, ", ") + ")"
			advice += ": kill -TERM -" + strings.Join(holders, " -")
		}
		return h.protocol.Unread(fmt.Errorf("the connector of an earlier run is still at work%s after %v", who, h.Options.Timeout),
			advice+". If it leaves a program running that need not end, it must start that without file descriptor 3")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case err != nil:
		return h.protocol.Unread(err, "let the user who runs rollcall write this file and its folder")
	}
	h.lock = lock
	return nil
}

// note writes down which processes are there, for whoever waits for them.
func (h *Host[L]) note() {
	if h.lock == nil {
		return
	}
	var b []byte
	for _, p := range h.running {
		b = append(strconv.AppendInt(b, int64(p.cmd.Process.Pid), 10), '\n')
	}
	// Nothing depends on it but the words of a message.
	if h.lock.Truncate(0) == nil {
		h.lock.WriteAt(b, 0)
	}
}

func (h *Host[L]) launch() (*process[L], error) {
	if len(h.Options.Command) == 0 {
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
	cmd := exec.Command(h.Options.Command[0], h.Options.Command[1:]...)
	cmd.Dir, cmd.Env = h.Options.Dir, h.secrets.environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	h.mu.Lock()
	defer h.mu.Unlock()
	ownGroup(cmd, h.lock)
	if err := cmd.Start(); err != nil {
		closeAll(ours[:])
		return nil, errors.New(h.secrets.Clean(err.Error()))
	}
	p := &process[L]{h: h, cmd: cmd, out: ours[1], lines: NewLines(ours[1]), decode: h.protocol.Decoder(), in: ours[0], ended: make(chan struct{})}
	p.log.ended = make(chan struct{})
	p.end = sync.OnceFunc(p.terminate)
	p.dog = time.AfterFunc(time.Hour, func() {
		p.silent.Store(true)
		p.end()
	})
	p.dog.Stop()
	h.running = append(h.running, p)
	h.note()
	go p.listen(ours[2])
	go p.wait(ours[2])
	return p, nil
}

// wait waits for the process, and for what it leaves behind.
func (p *process[L]) wait(log *os.File) {
	p.cmd.Wait()
	p.gone.Store(true)
	if groupAlive(p.cmd) {
		endGroup(p.cmd, false)
		for deadline := time.Now().Add(p.h.Options.Grace); groupAlive(p.cmd) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		endGroup(p.cmd, true)
	}
	h := p.h
	h.mu.Lock()
	for i, other := range h.running {
		if other == p {
			h.running = append(h.running[:i], h.running[i+1:]...)
			break
		}
	}
	h.note()
	h.mu.Unlock()
	p.in.Close()
	// Who has left the group may keep these open for ever.
	for _, f := range []*os.File{p.out, log} {
		if f.SetReadDeadline(time.Now().Add(p.h.Options.Grace)) != nil { // as pipes of Windows have none
			time.AfterFunc(p.h.Options.Grace, func() { f.Close() })
		}
	}
	close(p.ended)
	<-p.log.ended
	log.Close()
}

// terminate ends the process. One that makes changes may finish the one at hand.
func (p *process[L]) terminate() {
	p.gone.Store(true)
	p.in.Close()
	if p.changes.Load() && p.endsBy(p.h.Options.Grace) {
		return
	}
	endGroup(p.cmd, false)
	if p.endsBy(p.h.Options.Grace) {
		return
	}
	endGroup(p.cmd, true)
	<-p.ended
}

// endsBy reports whether the process ends within a time.
func (p *process[L]) endsBy(wait time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(wait):
		return false
	}
}

// discard ends a process that nobody listens to any more.
func (p *process[L]) discard() {
	p.end()
	<-p.log.ended
	p.out.Close()
}

// over reports whether the process takes no request any more.
func (p *process[L]) over() bool { return p.gone.Load() }

// listen hands on what the process writes to standard error.
func (p *process[L]) listen(log *os.File) {
	defer close(p.log.ended)
	const most = 64 << 10
	buf, cut := make([]byte, 0, most), false
	flush := func() {
		if cut {
			// A secret that the cut divides would not be found.
			buf = buf[:max(len(buf)-p.h.secrets.longest, 0)]
		}
		text := p.h.secrets.Clean(strings.TrimSuffix(string(buf), "\r"))
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
		if p.h.Options.Log != nil {
			p.h.talk.Lock()
			p.h.Options.Log(text)
			p.h.talk.Unlock()
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
func (p *process[L]) logged(b *Breach) (lines int) {
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
	b.Text, b.Said = b.Text+"; the last on standard error: ", strings.Join(quoted, " | ")
	return p.log.lines
}

// greet says hello, and learns what the connector says of itself.
func (p *process[L]) greet(ctx context.Context) error {
	h := p.h
	config := new(bytes.Buffer)
	if err := json.Compact(config, h.Options.Config); err != nil || config.Len() == 0 || config.String() == "null" {
		config.Reset()
		config.WriteString("{}")
	}
	body := fmt.Appendf(nil, `,"protocols":[%d],"rollcall":`, h.protocol.Version)
	body = identity.AppendJSONString(body, h.Options.Release)
	body = append(append(body, `,"config":`...), config.Bytes()...)
	body = append(body, h.protocol.Hello...)
	old := fmt.Sprintf("take a connector that speaks version %d of the protocol, or another version of rollcall", h.protocol.Version)
	var said Greeting
	err := p.ask(ctx, "hello", body, false, func(line *L) (bool, error) {
		l := h.protocol.Common(line)
		switch {
		case l.Protocol == nil:
			return false, &Breach{Text: "answered hello without saying which protocol it speaks", Advice: old}
		case *l.Protocol != h.protocol.Version:
			return false, &Breach{Text: fmt.Sprintf("speaks version %d of the protocol, and rollcall version %d", *l.Protocol, h.protocol.Version), Advice: old}
		}
		var err error
		if said.Facts, err = h.protocol.Facts(l.Facts); err != nil {
			return false, &Breach{Text: fmt.Sprintf("stated facts that are wrong: %v", err)}
		}
		said.Name, said.Version = h.secrets.Clean(l.Name), h.secrets.Clean(l.Version)
		return true, nil
	})
	if err != nil {
		return err
	}
	return h.greeted(&said)
}

// ask makes a request and gives its answers to take until one is the last. When
// ctx ends, the process is told to begin no other change, or, if it is not asked
// to make any, is ended.
func (p *process[L]) ask(ctx context.Context, kind string, body []byte, cancels bool, take func(*L) (last bool, err error)) error {
	p.id++
	request := append(strconv.AppendInt([]byte(`{"id":`), p.id, 10), `,"type":"`+kind+`"`...)
	request = append(append(request, body...), '}', '\n')
	what := "it answered " + kind
	p.changes.Store(cancels)
	defer p.changes.Store(false)
	p.dog.Reset(p.h.Options.Timeout)
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
			return p.h.lose(p.failed(err, what))
		}
		message, err := p.decode(line)
		if err != nil {
			return p.h.lose(p.broken(&Breach{Text: fmt.Sprintf("wrote a line that is no message (%v)", err),
				Advice: `only messages belong on standard output: print to standard error, as docs/reference/console-protocol.md says under "Keep the stream clean"`}, line))
		}
		last := false
		l := p.h.protocol.Common(&message)
		failed := p.h.protocol.Failed(&message)
		switch {
		case l.ID < p.id && l.ID > 0:
			err = &Breach{Text: fmt.Sprintf("wrote an answer to request %d after that had ended", l.ID)}
		case l.ID != p.id:
			err = &Breach{Text: fmt.Sprintf("answered request %d, and was asked %d", l.ID, p.id)}
		case l.Progress != nil:
			p.h.say(p.h.Options.Progress, *l.Progress)
		case failed != nil:
			err, last = failed, true
		default:
			last, err = take(&message)
		}
		b, broken := err.(*Breach)
		if last && len(p.lines.Rest()) > 0 && !broken {
			line = bytes.Clone(p.lines.Rest())
			b, broken = &Breach{Text: "wrote more after the end of its answers"}, true
		}
		switch {
		case broken:
			return p.h.lose(p.broken(b, line))
		case err != nil && !last:
			p.end() // nobody takes the rest
			return err
		case last:
			return err
		}
	}
}

// next returns the next line. Whoever is silent for too long is ended.
func (p *process[L]) next() ([]byte, error) {
	if !p.lines.Ready() {
		p.dog.Reset(p.h.Options.Timeout)
		defer p.dog.Stop()
	}
	return p.lines.Next()
}

func (p *process[L]) write(b []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.in.Write(b)
	return err
}

// shut closes what the process reads, which lets it end.
func (p *process[L]) shut() {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.in.Close()
}

// broken ends a process that has broken the protocol with a line.
func (p *process[L]) broken(b *Breach, line []byte) *Breach {
	text, quoted := p.h.secrets.Clean(b.Text), p.h.secrets.Excerpt(line)
	if b.Said == "" {
		text += ": "
	} else {
		quoted = p.h.secrets.Clean(b.Said) + ": " + quoted
	}
	p.end()
	return &Breach{text, b.Advice, quoted}
}

// failed says why there is no line.
func (p *process[L]) failed(err error, before string) *Breach {
	const advice = `a message is one line; docs/reference/console-protocol.md says more under "Keep the stream clean"`
	rest := bytes.Clone(p.lines.Rest())
	switch {
	case p.silent.Load():
		p.end()
		var log Breach
		text := fmt.Sprintf("was silent for %v before %s", p.h.Options.Timeout, before)
		if lines := p.logged(&log); lines > 0 {
			text += fmt.Sprintf(", but wrote %d lines to standard error", lines)
		}
		return &Breach{text + log.Text, "a connector that needs long says so in progress answers; raise timeout in the " + p.h.protocol.Noun + " block where it cannot", log.Said}
	case err == ErrLong:
		return p.broken(&Breach{Text: fmt.Sprintf("wrote more than %d MiB without a newline", MaxLine>>20), Advice: advice}, rest)
	case err == ErrCut:
		return p.broken(&Breach{Text: "ended its output in the middle of a line", Advice: advice}, rest)
	}
	return p.died(before)
}

// died says how a process has ended that wrote no more.
func (p *process[L]) died(before string) *Breach {
	how := "closed its standard output"
	if p.endsBy(time.Second) || p.over() {
		<-p.ended
		how = "ended (" + p.cmd.ProcessState.String() + ")"
	}
	p.end()
	select {
	case <-p.log.ended:
	case <-time.After(p.h.Options.Grace):
	}
	b := &Breach{Text: how + " before " + before, Advice: "its log says why; " + p.h.test() + " tries a connector by itself"}
	p.logged(b)
	return b
}

// bye asks the process to end, and sees to it that it does.
func (p *process[L]) bye() error {
	p.id++
	late := time.AfterFunc(p.h.Options.Grace, p.end)
	defer late.Stop()
	defer p.out.Close()
	p.write(fmt.Appendf(nil, `{"id":%d,"type":"bye"}`+"\n", p.id))
	p.shut()
	var stray error
	answered := false
	wrote := func(line []byte) error {
		return fmt.Errorf("%s: the connector %w", p.h.name(), &Breach{Text: "wrote something that belongs to no request: ", Said: p.h.secrets.Excerpt(line)})
	}
	for {
		line, err := p.lines.Next()
		if err != nil {
			break
		}
		message, err := p.decode(line)
		if stray == nil && (answered || err != nil || p.h.protocol.Common(&message).ID != p.id) {
			stray = wrote(line)
		}
		answered = true
	}
	if rest := p.lines.Rest(); len(rest) > 0 && stray == nil {
		stray = wrote(rest)
	}
	<-p.ended
	<-p.log.ended
	return stray
}
