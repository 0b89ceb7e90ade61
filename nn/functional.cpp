#include <descent/autograd/engine.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/text.h>
#include <descent/nn/functional.h>
#include <descent/nn/slot.h>

#include <set>

namespace descent::nn {

/// While it lives, other tensors stand in place of a module's parameters and buffers.
class detail::Exchange {
 public:
  Exchange(Module& model, const NamedTensors& tensors) {
    std::set<std::string> left;
    std::vector<std::string> names;
    for (const auto& [name, t] : tensors) left.insert(name);
    model.state_->visit([&](const Module::State& s, const std::string& path) {
      for (const auto* list : {&s.parameters, &s.buffers})
        for (const auto& slot : *list) {
          names.push_back(path.empty() ? slot->name : to_text(path, ".", slot->name));
          const auto found = tensors.find(names.back());
          if (found == tensors.end()) continue;
          left.erase(found->first);
          check(*slot, found->second, names.back(), s.configuration);
          others_.emplace_back(slot, found->second);
        }
    });
    if (!left.empty())
      fail<ValueError>("functional_call", "got the name '", *left.begin(), "', ",
                       expected_one_of(*left.begin(), names));
    swap();
  }
  ~Exchange() { swap(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

 private:
  static void check(const Slot& slot, const Tensor& t, const std::string& name,
                    const std::string& configuration) {
    if (!t.defined())
      fail<ValueError>("functional_call", "got an undefined tensor for '", name, "'");
    bool fits = t.shape() == slot.value.shape();
    if (!fits && t.dim() == slot.value.dim() + 1 && configuration.starts_with("Linear ")) {
      Shape one = t.shape();
      one.erase(0);
      fits = one == slot.value.shape();
    }
    if (!fits)
      fail<ShapeError>(
          "functional_call", "got ", t.shape(), " for '", name, "', expected ", slot.value.shape(),
          configuration.starts_with("Linear ") ? ", or one dimension more in front" : "");
  }
  void swap() noexcept {
    for (auto& [slot, other] : others_) slot->exchange(other);
  }
  std::vector<std::pair<std::shared_ptr<Slot>, Tensor>> others_;
};

Tensor functional_call(Module& model, const NamedTensors& tensors, const Tensor& x) {
  const detail::Exchange exchange(model, tensors);
  return model(x);
}

NamedTensors stack_modules(const std::vector<Module*>& modules) {
  if (modules.empty()) fail<ValueError>("stack_modules", "got no modules, expected one or more");
  std::map<std::string, std::vector<Tensor>> all;
  for (const Module* m : modules) {
    for (const Parameters& list : {m->parameters(), m->buffers()})
      for (const Parameter& p : list) all[p.name].push_back(p.value);
  }
  NamedTensors stacked;
  for (const auto& [name, tensors] : all) {
    for (const Tensor& t : tensors)
      if (tensors.size() != modules.size() || !(t.shape() == tensors[0].shape()))
        fail<StateError>("stack_modules", "got '", name, "' in ", tensors.size(), " of ",
                         modules.size(),
                         " modules, or of different shapes, expected modules that "
                         "are alike");
    stacked[name] = stack(tensors);
  }
  return stacked;
}

namespace {

/// True if the model is a Sequential of Linear layers and activations, which mix no rows.
bool treats_rows_alone(const Module& model) {
  static const std::set<std::string, std::less<>> known{
      "Sequential", "Linear", "ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "Softplus", "Identity"};
  bool alone = true;
  model.apply([&](const std::string&, const std::string& configuration, const Parameters&) {
    alone = alone && known.contains(configuration.substr(0, configuration.find(' ')));
  });
  return alone;
}

}  // namespace

NamedTensors per_sample_grad(Module& model,
                             const std::function<Tensor(const Tensor&, const Tensor&)>& loss,
                             const Tensor& x, const Tensor& y) {
  const std::int64_t n = x.size(0);
  std::vector<std::string> names;
  std::vector<Tensor> values;
  for (const Parameter& p : model.parameters())
    if (p.value.requires_grad()) {
      names.push_back(p.name);
      values.push_back(p.value);
    }
  const auto losses_of = [&](const Tensor& output, const Tensor& target) {
    const Tensor l = loss(output, target);
    if (l.dim() != 1 || l.size(0) != target.size(0))
      fail<ShapeError>("per_sample_grad", "got losses ", l.shape(), ", expected (", target.size(0),
                       ",). Hint: Reduction::none");
    return sum(l);
  };
  const EnableGradGuard record;
  NamedTensors result;
  if (treats_rows_alone(model)) {
    NamedTensors each;
    std::vector<Tensor> leaves;
    for (std::size_t i = 0; i < names.size(); ++i) {
      Shape shape = values[i].shape();
      shape.insert(0, n);
      leaves.push_back(values[i].detach().unsqueeze(0).expand(shape).requires_grad_());
      each[names[i]] = leaves.back();
    }
    const Tensor output = functional_call(model, each, x.unsqueeze(1));
    const std::vector<Tensor> g =
        grad({losses_of(output.squeeze(1), y)}, leaves, {}, {.allow_unused = true});
    for (std::size_t i = 0; i < names.size(); ++i)
      result[names[i]] = g[i].defined() ? g[i] : zeros_like(leaves[i]);
    return result;
  }
  std::map<std::string, std::vector<Tensor>> rows;
  for (std::int64_t i = 0; i < n; ++i) {
    const Tensor l = losses_of(model(x.narrow(0, i, 1)), y.narrow(0, i, 1));
    const std::vector<Tensor> g = grad({l}, values, {}, {.allow_unused = true});
    for (std::size_t k = 0; k < names.size(); ++k)
      rows[names[k]].push_back(g[k].defined() ? g[k] : zeros_like(values[k]));
  }
  for (const auto& [name, all] : rows) result[name] = stack(all);
  return result;
}

}  // namespace descent::nn
