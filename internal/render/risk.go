package render

import (
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// riskStyles are how levels of risk look.
var riskStyles = [...]style{plan.NoRisk: dim, plan.LowRisk: plain, plan.MediumRisk: yellow, plan.HighRisk: red}

// risk says in words what the change set means, behind the level of each sentence.
func (o *page) risk(p *plan.Plan) {
	level := p.RiskLevel()
	if level == plan.NoRisk {
		all := worthSaying(p.Risks)
		if len(all) == 0 {
			all = p.Risks
		}
		said := []string{level.String()}
		for _, r := range all {
			said = append(said, clean(r.Text()))
		}
		o.prose(0, "Risk: ", bold, strings.Join(said, ", "))
		return
	}
	o.line(bold, "Risk: %s", level)
	for _, r := range worthSaying(p.Risks) {
		name := r.Level.String()
		o.prose(margin, name+"      "[len(name):]+"  ", riskStyles[r.Level], clean(r.Text()))
	}
}

// worthSaying are the risks that say more than that no address stops.
func worthSaying(all []plan.Risk) []plan.Risk {
	if len(all) > 0 && all[0].Code == plan.AddressesStop && all[0].Count == 0 {
		return all[1:]
	}
	return all
}
