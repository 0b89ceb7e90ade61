// The built-in rules, compiled once, so that a user's file that names one does not compile it
// again.
#include <descent/optim/rules.h>

namespace descent::optim::detail {

template class RuleOf<SGD>;
template class RuleOf<AdaGrad>;
template class RuleOf<RMSProp>;
template class RuleOf<Adam>;
template class RuleOf<AdamW>;
template class RuleOf<Adadelta>;
template class RuleOf<AdaMax>;
template class RuleOf<NAdam>;
template class RuleOf<RAdam>;
template class RuleOf<Rprop>;
template class RuleOf<ASGD>;
template class RuleOf<Lion>;
template class RuleOf<Adan>;
template class RuleOf<ScheduleFreeAdamW>;
template class RuleOf<ScheduleFreeSGD>;
template class RuleOf<LAMB>;
template class RuleOf<LARS>;
template class RuleOf<Prodigy>;
template class RuleOf<Sophia>;
template class RuleOf<Adafactor>;
template class RuleOf<Muon>;
template class RuleOf<SOAP>;
template class RuleOf<LBFGS>;

}  // namespace descent::optim::detail
