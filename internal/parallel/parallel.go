// Package parallel uses all processors for what has an order.
package parallel

import (
	"io"
	"runtime"
)

// piece is how many items one goroutine renders at a time.
const piece = 1024

// WriteItems writes n items in order, each as item appends it, and renders
// them with all processors meanwhile. Each call of w.Write has whole items. The
// first error of w ends it and is returned.
func WriteItems(w io.Writer, n int, item func(b []byte, i int) []byte) error {
	return write(w, n, piece, item)
}

// WriteBlocks is [WriteItems] for items that are as long as a thousand others: each is
// rendered and written by itself.
func WriteBlocks(w io.Writer, n int, block func(b []byte, i int) []byte) error {
	return write(w, n, 1, block)
}

func write(w io.Writer, n, piece int, item func(b []byte, i int) []byte) error {
	ahead := 2 * runtime.GOMAXPROCS(0)
	queue := make(chan chan []byte, ahead)
	spare := make(chan []byte, 2*ahead)
	failing := make(chan struct{})
	go func() {
		defer close(queue)
		for from := 0; from < n; from += piece {
			rendered := make(chan []byte, 1)
			select {
			case queue <- rendered:
			case <-failing:
				return
			}
			go func() {
				var b []byte
				select {
				case b = <-spare:
				default:
				}
				for i := from; i < min(from+piece, n); i++ {
					b = item(b, i)
				}
				rendered <- b
			}()
		}
	}()
	var failed error
	for rendered := range queue {
		b := <-rendered
		if failed == nil {
			if _, failed = w.Write(b); failed != nil {
				close(failing)
			}
		}
		select {
		case spare <- b[:0]:
		default:
		}
	}
	return failed
}
