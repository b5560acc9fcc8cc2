package check

// families is every kind of target. A new one is a line here and a package that
// has Rules, Find and Load:
//
//	files(rule.Dockerfile, dockerfile.Rules(), dockerfile.Find, dockerfile.Load)
func families() []family {
	return []family{}
}
