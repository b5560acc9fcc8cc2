package kubernetes

import (
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// inspect is how most of what a container has can be seen.
const inspect = "kubectl get WORKLOAD -o yaml: look at the container."

func containerRules() []Rule {
	return append(healthRules(), []Rule{
		eachContainer(topic.Integrity.Of(rule.Meta{
			ID: "kubernetes-read-only-root", Severity: rule.High, Title: "The root file system of containers is read-only",
			Why:    "Who gets into a writable container can put tools into it and change the program that runs.",
			Guides: []string{"S0-51", "S0-59", "S3-23", "S4-26", "S3-50"}, CWE: []string{"CWE-732"}, Verify: inspect,
			Fix: "Set securityContext.readOnlyRootFilesystem to true and mount an emptyDir where the program writes.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			at := c.Get("securityContext", "readOnlyRootFilesystem")
			if at.True() {
				return "", nil
			}
			return "readOnlyRootFilesystem is not true", at
		}),
		eachContainer(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-limits", Severity: rule.Medium, Title: "Containers have limits of memory and CPU",
			Why:    "One container without a limit can starve its whole node.",
			Guides: []string{"S0-51", "S0-59"}, CWE: []string{"CWE-770"}, Verify: inspect,
			Fix: "Set resources.limits.memory and resources.limits.cpu, for example 512Mi and 500m.",
		}), true, missing("resources", "limits")),
		eachContainer(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-requests", Severity: rule.Low, Title: "Containers request memory and CPU",
			Why:    "Without requests the scheduler packs nodes too full, and the pod is among the first to be killed.",
			Guides: []string{"S0-51"}, CWE: []string{"CWE-770"}, Verify: inspect,
			Fix: "Set resources.requests.memory and resources.requests.cpu, for example 256Mi and 250m.",
		}), true, missing("resources", "requests")),
		eachContainer(topic.Privilege.Of(rule.Meta{
			ID: "kubernetes-low-user-id", Severity: rule.Low, Title: "Containers run under a number that no user of the node has",
			Why:    "Numbers below 1000 are those of the node's services: after an escape the process owns their files.",
			Guides: []string{"S0-51", "S3-20"}, CWE: []string{"CWE-250"}, Verify: inspect,
			Fix: "Set securityContext.runAsUser to 1000 or more, best above 10000.",
		}), true, func(w *workload, c *yamltree.Node) (string, *yamltree.Node) {
			at := c.Get("securityContext", "runAsUser")
			if at == nil {
				at = w.spec.Get("securityContext", "runAsUser")
			}
			if uid, err := strconv.ParseInt(at.Value(), 10, 64); err == nil && uid > 0 && uid < 1000 {
				return "runs as user " + at.Value(), at
			}
			return "", nil
		}),
	}...)
}

func missing(table, list string) func(*workload, *yamltree.Node) (string, *yamltree.Node) {
	return func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
		have := c.Get(table, list)
		switch {
		case have.Get("memory").Value() == "" && have.Get("cpu").Value() == "":
			return "has no " + list, have
		case have.Get("memory").Value() == "":
			return "has no memory among its " + list, have
		case have.Get("cpu").Value() == "":
			return "has no cpu among its " + list, have
		}
		return "", nil
	}
}

func healthRules() []Rule {
	return []Rule{
		eachContainer(topic.Telemetry.Of(rule.Meta{
			ID: "kubernetes-liveness", Severity: rule.Medium, Title: "Containers have a liveness probe",
			Why:    "A process that hangs stays up and serves nobody until a person looks.",
			Guides: []string{"S0-51", "S0-59", "S1-19", "S1-22"}, CWE: []string{"CWE-754"}, Verify: inspect,
			Fix: "Add a livenessProbe that asks /health.",
		}), false, probe("livenessProbe")),
		eachContainer(topic.Telemetry.Of(rule.Meta{
			ID: "kubernetes-readiness", Severity: rule.Medium, Title: "Containers have a readiness probe",
			Why:    "Without one, calls reach pods that are starting, draining or without their database.",
			Guides: []string{"S0-51", "S0-59", "S1-19", "S1-20"}, CWE: []string{"CWE-754"}, Verify: inspect,
			Fix: "Add a readinessProbe that asks /ready.",
		}), false, probe("readinessProbe")),
		eachContainer(topic.Telemetry.Of(rule.Meta{
			ID: "kubernetes-same-probes", Severity: rule.Info, Title: "Liveness and readiness ask different things",
			Why:    "If both ask the same, a slow database restarts every pod at once in place of taking them out of the Service.",
			Guides: []string{"S1-20"}, CWE: []string{"CWE-754"}, Verify: inspect,
			Fix: "Let the livenessProbe ask /health, which has no dependencies, and the readinessProbe /ready.",
		}), false, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			live, ready := c.Get("livenessProbe", "httpGet"), c.Get("readinessProbe", "httpGet")
			if live.IsTable() && ready.IsTable() && live.Get("path").Value() == ready.Get("path").Value() && live.Get("port").Value() == ready.Get("port").Value() {
				return "both probes ask " + live.Get("path").Value(), ready
			}
			return "", nil
		}),
	}
}

func probe(name string) func(*workload, *yamltree.Node) (string, *yamltree.Node) {
	return func(w *workload, c *yamltree.Node) (string, *yamltree.Node) {
		if w.serves() && c.Get(name).Empty() {
			return "has no " + name, nil
		}
		return "", nil
	}
}

func imageRules() []Rule {
	return []Rule{
		eachContainer(topic.Supply.Of(rule.Meta{
			ID: "kubernetes-image-latest", Severity: rule.High, Title: "Images have a version",
			Why:    "A tag such as latest is another program tomorrow, on some nodes and not on others, and cannot be rolled back.",
			Guides: []string{"S0-51", "S1-17", "S3-19"}, CWE: []string{"CWE-829"}, Verify: "kubectl get pods -o jsonpath='{..image}'",
			Fix: "Name the version and its digest: image: registry/name:1.2.3@sha256:…",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			at := c.Get("image")
			if at.Value() != "" && image.Parse(at.Value()).Floating() {
				return at.Value() + " is not one version", at
			}
			return "", nil
		}),
		eachContainer(topic.Integrity.Of(rule.Meta{
			ID: "kubernetes-image-digest", Severity: rule.Medium, Title: "Images are named by digest",
			Why:    "A tag can be moved to another image by whoever can write to the registry. A digest is the image.",
			Guides: []string{"S0-49", "S0-51", "S3-24"}, CWE: []string{"CWE-494"}, Verify: "kubectl get pods -o jsonpath='{..image}'",
			Fix: "Append the digest that was scanned and signed: name:1.2.3@sha256:…",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			at := c.Get("image")
			if image.Parse(at.Value()).Pinned() {
				return "", nil
			}
			return "the image " + at.Value() + " has no digest", at
		}),
		eachContainer(topic.Supply.Of(rule.Meta{
			ID: "kubernetes-image-ended", Severity: rule.High, Title: "Images are still mended by their makers",
			Why:    "Holes that are found after its end stay open in such an image.",
			Guides: []string{"S0-49", "S3-19"}, CWE: []string{"CWE-1104"}, Verify: "Look the version up at endoflife.date.",
			Fix: "Move image to a version that is still maintained.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			at := c.Get("image")
			if since := image.Parse(at.Value()).Ended(time.Now()); since != "" {
				return at.Value() + " has not been mended since " + since, at
			}
			return "", nil
		}),
		eachContainer(topic.Supply.Of(rule.Meta{
			ID: "kubernetes-pull-policy", Severity: rule.Low, Title: "Nodes do not run images that they were not allowed to pull",
			Why:    "With Never, whatever image of that name lies on the node is run, by whoever put it there.",
			Guides: []string{"S3-24"}, CWE: []string{"CWE-494"}, Verify: inspect,
			Fix: "Set imagePullPolicy to IfNotPresent with a digest, or Always.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			if at := c.Get("imagePullPolicy"); at.Value() == "Never" {
				return "imagePullPolicy is Never", at
			}
			return "", nil
		}),
	}
}
