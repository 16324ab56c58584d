// What google/pprof's own package does in Go. Each line of input is a command and its arguments; the answer is a line of
// JSON with the figures of the round, in milliseconds.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	out := json.NewEncoder(os.Stdout)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Fields(input.Text())
		check(out.Encode(carryOut(words[0], words[1:])))
	}
}

func carryOut(command string, args []string) any {
	switch command {
	case "round":
		places := number(args[2])
		return encode(stacksOf(number(args[0]), number(args[1]), places), places)
	case "add":
		return add(args)
	default:
		panic("unknown command " + command)
	}
}

func number(text string) int {
	number, err := strconv.Atoi(text)
	check(err)
	return number
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
