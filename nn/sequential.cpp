#include <descent/core/text.h>
#include <descent/nn/sequential.h>

#include <vector>

namespace descent::nn {

namespace {

/// The activation that a Linear before this module may run with itself.
Activation fused_activation(const Module& m) {
  const std::type_info& type = typeid(m);
  return type == typeid(ReLU)      ? Activation::relu
         : type == typeid(Tanh)    ? Activation::tanh
         : type == typeid(Sigmoid) ? Activation::sigmoid
                                   : Activation::none;
}

}  // namespace

struct ModuleList::Steps {
  std::vector<Step> all;
  std::vector<std::pair<Linear*, Activation>> kinds;  // what each is, for pairs that run as one

  void note(const Step& step) {
    Module& m = *step.module;
    kinds.emplace_back(typeid(m) == typeid(Linear) ? static_cast<Linear*>(&m) : nullptr,
                       fused_activation(m));
  }
};

ModuleList::ModuleList(const char* name) : Module(name), steps_(std::make_shared<Steps>()) {}

ModuleList::ModuleList(const ModuleList& o) : Module(o), steps_(o.steps_) {
  if (!detail::Cloning::active()) return;
  steps_ = std::make_shared<Steps>();
  for (const Step& step : o.steps_->all) {
    steps_->all.push_back({step.copy(*step.module), step.copy});
    steps_->note(steps_->all.back());
  }
}

ModuleList& ModuleList::operator=(const ModuleList&) = default;
ModuleList::~ModuleList() = default;

void ModuleList::add(Step step) {
  steps_->all.reserve(size() + 1);  // so that nothing is added in part
  steps_->kinds.reserve(size() + 1);
  adopt(to_text(size()), *step.module);
  steps_->note(step);
  steps_->all.push_back(std::move(step));
}

std::size_t ModuleList::size() const { return steps_->all.size(); }

Module& ModuleList::operator[](std::size_t i) const {
  if (i >= size()) fail<ValueError>("ModuleList", "got index ", i, ", expected one below ", size());
  return *steps_->all[i].module;
}

void ModuleList::fail_type(std::size_t i, const std::type_info& expected) const {
  fail<ValueError>("ModuleList", "got module ", i, ", which is ", (*this)[i].configuration(),
                   ", expected ", class_name(expected));
}

ModuleList::Iterator ModuleList::begin() const { return Iterator(steps_->all.data()); }
ModuleList::Iterator ModuleList::end() const { return Iterator(steps_->all.data() + size()); }

Tensor ModuleList::in_turn(const Tensor& x) {
  const Steps& steps = *steps_;
  Tensor y = x;
  for (std::size_t i = 0; i < steps.all.size(); ++i) {
    Linear* const linear = steps.kinds[i].first;
    const bool pair = linear && i + 1 < steps.all.size() &&
                      steps.kinds[i + 1].second != Activation::none && !summarizing();
    if (pair) {
      y = linear->forward_activated(y, steps.kinds[i + 1].second);
      ++i;
    } else {
      y = (*steps.all[i].module)(y);
    }
  }
  return y;
}

Sequential::Sequential(const Sequential&) = default;
Sequential& Sequential::operator=(const Sequential&) = default;
Sequential::~Sequential() = default;

Tensor Sequential::forward(const Tensor& x) { return in_turn(x); }

}  // namespace descent::nn
