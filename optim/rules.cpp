// The built-in rules, compiled once, so that a user's file that names one does not compile it
// again.
#include <descent/optim/adagrad.h>
#include <descent/optim/adam.h>
#include <descent/optim/adamw.h>
#include <descent/optim/rmsprop.h>
#include <descent/optim/sgd.h>

namespace descent::optim::detail {

template class RuleOf<SGD>;
template class RuleOf<AdaGrad>;
template class RuleOf<RMSProp>;
template class RuleOf<Adam>;
template class RuleOf<AdamW>;

}  // namespace descent::optim::detail
