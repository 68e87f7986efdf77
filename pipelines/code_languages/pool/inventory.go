package inventory

import "sort"

// Shelf holds how many of each part lie on it.
type Shelf map[string]int

// Take removes up to n of a part and says how many there were.
func (s Shelf) Take(part string, n int) int {
	have := s[part]
	if have < n {
		n = have
	}
	if s[part] -= n; s[part] == 0 {
		delete(s, part)
	}
	return n
}

// Scarce lists the parts of which there are fewer than least.
func (s Shelf) Scarce(least int) []string {
	var found []string
	for part, n := range s {
		if n < least {
			found = append(found, part)
		}
	}
	sort.Strings(found)
	return found
}
