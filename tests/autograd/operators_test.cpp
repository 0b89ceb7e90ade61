// Tests every operator from one table. Values and gradients must agree with PyTorch in double, in
// float, and for inputs that are not contiguous. gradcheck and gradgradcheck must pass.
//
// The table has a function for each case of tests/reference/operators.txt. If a case has no
// function, or a function has no case, the test fails.
#include <descent/autograd/ops/fused.h>
#include <descent/descent.h>

#include "tests/support/reference.h"

namespace descent {
namespace {

using testing::deviation;
using Inputs = std::vector<Tensor>;
using nn::Reduction;

const std::map<std::string, testing::ReferenceCase>& reference() {
  static const auto cases = testing::read_reference("operators.txt");
  return cases;
}

/// A constant of the reference, in the type of the inputs.
Tensor constant(const char* key, const Tensor& like) {
  return reference().at("constants").at(key)[0].to(like.dtype());
}
Tensor class_weight(const Tensor& like) { return tensor({0.5, 2.0, 1.0, 1.5}, like.dtype()); }
Tensor labels() { return tensor({1, 0, 3, 1, 2}); }
Tensor ignored() { return tensor({1, -100, 3, -100, 2}); }
Tensor gather_index() { return tensor({{0, 2, 2}, {1, 0, 1}}); }

struct Case {
  TensorFunction f;
  bool second_order =
      true;  // gradgradcheck too; not for what has a kink in reach of the differences
};

std::map<std::string, Case> table() {
  std::map<std::string, Case> t;
  using Binary = Tensor (*)(const Tensor&, const Tensor&);
  for (const auto& [name, f] : std::map<std::string, Binary>{{"add", add},
                                                             {"sub", sub},
                                                             {"mul", mul},
                                                             {"div", div},
                                                             {"maximum", maximum},
                                                             {"minimum", minimum},
                                                             {"pow", pow}})
    for (const char* shape : {"", "_row", "_column", "_scalar", "_outer"})
      t[name + shape] = {[f = f](const Inputs& x) { return f(x[0], x[1]); }};
  using Unary = Tensor (*)(const Tensor&);
  for (const auto& [name, f] : std::map<std::string, Unary>{{"neg", neg},
                                                            {"abs", abs},
                                                            {"exp", exp},
                                                            {"expm1", expm1},
                                                            {"log", log},
                                                            {"log1p", log1p},
                                                            {"sqrt", sqrt},
                                                            {"rsqrt", rsqrt},
                                                            {"square", square},
                                                            {"reciprocal", reciprocal},
                                                            {"sin", sin},
                                                            {"cos", cos},
                                                            {"tanh", tanh},
                                                            {"erf", erf},
                                                            {"sigmoid", sigmoid},
                                                            {"relu", relu},
                                                            {"silu", silu},
                                                            {"softplus", softplus},
                                                            {"sign", sign}})
    t[name] = {[f = f](const Inputs& x) { return f(x[0]); }};
  t["pow_number"] = {[](const Inputs& x) { return pow(x[0], 3); }};
  t["pow_number_half"] = {[](const Inputs& x) { return pow(x[0], 0.5); }};
  t["pow_of_number"] = {[](const Inputs& x) { return pow(2.0, x[0]); }};
  t["where"] = {[](const Inputs& x) { return where(x[0] > x[1], x[0], x[1] * 2); }};
  t["number_ops"] = {[](const Inputs& x) { return 3 - x[0] * 2 + 1 / x[0] - x[0] / 4; }};
  t["leaky_relu"] = {[](const Inputs& x) { return leaky_relu(x[0], 0.1); }};
  t["elu"] = {[](const Inputs& x) { return elu(x[0], 1.5); }};
  t["gelu"] = {[](const Inputs& x) { return gelu(x[0]); }};
  t["gelu_tanh"] = {[](const Inputs& x) { return gelu(x[0], GeluForm::tanh); }};
  t["clamp"] = {[](const Inputs& x) { return clamp(x[0], -0.5, 0.8); }};
  t["clamp_low"] = {[](const Inputs& x) { return clamp(x[0], -0.1); }};
  t["softmax"] = {[](const Inputs& x) { return softmax(x[0], 1); }};
  t["softmax_first"] = {[](const Inputs& x) { return softmax(x[0], 0); }};
  t["log_softmax"] = {[](const Inputs& x) { return log_softmax(x[0], -1); }};
  t["log_softmax_middle"] = {[](const Inputs& x) { return log_softmax(x[0], 1); }};

  struct Reduced {
    const char* name;
    Dims dims;
    bool keep;
  };
  for (const Reduced& r : {Reduced{"all", {0, 1, 2}, false}, Reduced{"first", {0}, false},
                           Reduced{"middle", {1}, true}, Reduced{"last", {2}, false},
                           Reduced{"outer", {0, 2}, false}, Reduced{"pair", {1, -1}, true}}) {
    const std::string n = std::string("_") + r.name;
    t["sum" + n] = {[r](const Inputs& x) { return sum(x[0], r.dims, r.keep); }};
    t["mean" + n] = {[r](const Inputs& x) { return mean(x[0], r.dims, r.keep); }};
    t["var" + n] = {[r](const Inputs& x) { return var(x[0], r.dims, 1, r.keep); }};
    t["std" + n] = {[r](const Inputs& x) { return stddev(x[0], r.dims, 0, r.keep); }};
    t["max" + n] = {[r](const Inputs& x) { return max(x[0], r.dims, r.keep); }};
    t["min" + n] = {[r](const Inputs& x) { return min(x[0], r.dims, r.keep); }};
    t["logsumexp" + n] = {[r](const Inputs& x) { return logsumexp(x[0], r.dims, r.keep); }};
    t["norm" + n] = {[r](const Inputs& x) { return norm(x[0], 2, r.dims, r.keep); }};
  }
  t["prod_all"] = {[](const Inputs& x) { return prod(x[0]); }};
  t["prod_last"] = {[](const Inputs& x) { return prod(x[0], {1}, true); }};
  t["prod_zeros"] = {[](const Inputs& x) { return prod(x[0], {1}); }};
  t["max_ties"] = {[](const Inputs& x) { return max(x[0], {1}); }, false};
  t["norm_1"] = {[](const Inputs& x) { return norm(x[0], 1, {1}); }};
  t["norm_3"] = {[](const Inputs& x) { return norm(x[0], 3, {0}); }};
  t["norm_inf"] = {[](const Inputs& x) { return norm(x[0], INFINITY, {1}); }};
  t["cumsum"] = {[](const Inputs& x) { return cumsum(x[0], 1); }};
  t["cumsum_first"] = {[](const Inputs& x) { return cumsum(x[0], 0); }};
  t["argmax"] = {[](const Inputs& x) { return argmax(x[0], 1); }};
  t["argmin_all"] = {[](const Inputs& x) { return argmin(x[0]); }};

  for (const char* shape : {"", "_vectors", "_vector_matrix", "_matrix_vector", "_batch",
                            "_batch_matrix", "_matrix_batch", "_broadcast", "_wide"})
    t[std::string("matmul") + shape] = {[](const Inputs& x) { return matmul(x[0], x[1]); }};
  t["outer"] = {[](const Inputs& x) { return outer(x[0], x[1]); }};
  t["dot"] = {[](const Inputs& x) { return dot(x[0], x[1]); }};
  for (const char* name :
       {"linear", "linear_batch", "linear_stack", "linear_stack_shared", "linear_stack_biases"})
    t[name] = {[](const Inputs& x) { return linear(x[0], x[1], x[2]); }};
  t["linear_stack_tanh"] = {
      [](const Inputs& x) { return linear_activation(x[0], x[1], x[2], Activation::tanh); }};
  const char* equations[] = {"ij,jk->ik",    "ij->ji",  "ii->i",     "ij->",
                             "bij,bjk->bik", "i,j->ij", "ij,kj->ik", "...ij,jk->...ik",
                             "ij,jk,kl->il", "bi,bj"};
  for (int i = 0; i < 10; ++i)
    t[to_text("einsum_", i)] = {[e = equations[i]](const Inputs& x) { return einsum(e, x); }};

  t["reshape"] = {[](const Inputs& x) { return x[0].reshape({3, -1}); }};
  t["reshape_transposed"] = {[](const Inputs& x) { return x[0].t().reshape({4, 3}); }};
  t["flatten"] = {[](const Inputs& x) { return x[0].flatten(1); }};
  t["transpose"] = {[](const Inputs& x) { return x[0].transpose(0, 2); }};
  t["permute"] = {[](const Inputs& x) { return x[0].permute({2, 0, 1}); }};
  t["squeeze"] = {[](const Inputs& x) { return x[0].squeeze(1); }};
  t["unsqueeze"] = {[](const Inputs& x) { return x[0].unsqueeze(1); }};
  t["expand"] = {[](const Inputs& x) { return x[0].expand({4, 2, 3}); }};
  t["slice"] = {[](const Inputs& x) { return x[0].slice(1, 1, 6, 2); }};
  t["select"] = {[](const Inputs& x) { return x[0].select(1, -1); }};
  t["narrow"] = {[](const Inputs& x) { return x[0].narrow(0, 1, 2); }};
  t["cat"] = {[](const Inputs& x) { return cat({x[0], x[1]}, 1); }};
  t["stack"] = {[](const Inputs& x) { return stack({x[0], x[1]}, 1); }};
  t["split"] = {[](const Inputs& x) {
    return split(x[0], std::vector<std::int64_t>{1, 3}, 1)[1] * split(x[0], 3, 1)[0];
  }};
  t["chunk"] = {[](const Inputs& x) { return chunk(x[0], 3, 1)[0] * chunk(x[0], 3, 1)[2]; }};
  t["index_select"] = {[](const Inputs& x) { return x[0].index_select(0, tensor({2, 0, 2})); }};
  t["gather"] = {[](const Inputs& x) { return x[0].gather(1, gather_index()); }};
  for (const auto& [name, f] : std::map<std::string, Unary>{{"floor", floor},
                                                            {"ceil", ceil},
                                                            {"round", round},
                                                            {"trunc", trunc},
                                                            {"sinh", sinh},
                                                            {"cosh", cosh},
                                                            {"atan", atan},
                                                            {"log2", log2},
                                                            {"log10", log10},
                                                            {"trace", trace},
                                                            {"inverse", inverse},
                                                            {"det", det}})
    t[name] = {[f = f](const Inputs& x) { return f(x[0]); }};
  t["atan2"] = {[](const Inputs& x) { return atan2(x[0], x[1]); }};
  t["logaddexp"] = {[](const Inputs& x) { return logaddexp(x[0], x[1]); }};
  t["lerp"] = {[](const Inputs& x) { return lerp(x[0], x[1], x[2]); }};
  t["lerp_number"] = {[](const Inputs& x) { return lerp(x[0], x[1], 0.7); }};
  t["isfinite"] = {[](const Inputs& x) {
    const Tensor d = x[0].detach();
    return isfinite(1 / (d * (d > 0).to(d.dtype()))).to(d.dtype());
  }};
  t["logical"] = {[](const Inputs& x) {
    const Tensor a = x[0] > 0, b = x[1] > 0;
    return logical_and(a, b).to(kFloat64) + logical_or(a, b).to(kFloat64) * 2 +
           logical_xor(a, b).to(kFloat64) * 4 + logical_not(a).to(kFloat64) * 8;
  }};
  t["any_all"] = {[](const Inputs& x) {
    return any(x[0] > 0, {1}).to(kFloat64) + all(x[0] > -1, {1}).to(kFloat64) * 2;
  }};
  t["nan_to_num"] = {[](const Inputs& x) {
                       const Tensor low = where(x[0] > -1, full({}, NAN, x[0].dtype()), -INFINITY);
                       return nan_to_num(where(x[0] > 0, x[0], low), 2, {}, -5);
                     },
                     false};
  t["sort"] = {[](const Inputs& x) { return sort(x[0], 1).values; }};
  t["sort_descending_first"] = {[](const Inputs& x) { return sort(x[0], 0, true).values; }};
  t["argsort"] = {[](const Inputs& x) { return argsort(x[0], 1); }};
  t["topk"] = {[](const Inputs& x) { return topk(x[0], 2, 1).values; }};
  t["topk_smallest"] = {[](const Inputs& x) { return topk(x[0], 3, 0, false).values; }};
  t["scatter"] = {[](const Inputs& x) { return scatter(x[0], 1, tensor({{0, 2}, {1, 0}}), x[1]); }};
  t["index_put"] = {[](const Inputs& x) {
    return index_put(x[0], {tensor({0, 2}), tensor({1, 1})}, x[1]);
  }};
  t["index_put_accumulate"] = {[](const Inputs& x) {
    return index_put(x[0], {tensor({0, 2, 0})}, x[1], true);
  }};
  t["masked_select"] = {[](const Inputs& x) { return masked_select(x[0], x[0] > 0); }};
  t["index_mask"] = {[](const Inputs& x) { return index(x[0], tensor({true, false, true})); }};
  t["index_integers"] = {[](const Inputs& x) { return index(x[0], tensor({{2, 0}, {1, 1}})); }};
  t["repeat"] = {[](const Inputs& x) { return repeat(x[0], {2, 3, 1}); }};
  t["tile"] = {[](const Inputs& x) { return tile(x[0], {2}); }};
  t["roll"] = {[](const Inputs& x) { return roll(x[0], 2, 1); }};
  t["flip"] = {[](const Inputs& x) { return flip(x[0], {0, 1}); }};
  t["meshgrid"] = {[](const Inputs& x) {
    const std::vector<Tensor> grids = meshgrid({x[0], x[1]});
    return grids[0] * grids[1];
  }};
  t["tril"] = {[](const Inputs& x) { return tril(x[0], 1); }};
  t["triu"] = {[](const Inputs& x) { return triu(x[0], -1); }};
  t["diag"] = {[](const Inputs& x) { return diag(x[0], -1); }};
  t["diag_of_matrix"] = {[](const Inputs& x) { return diag(x[0], 1); }};
  t["solve"] = t["solve_vector"] = {[](const Inputs& x) { return solve(x[0], x[1]); }};
  t["cholesky"] = {[](const Inputs& x) {
    return cholesky(matmul(x[0], x[0].t()) + eye(3, -1, x[0].dtype()) * 3);
  }};
  t["eigh_values"] = {[](const Inputs& x) { return eigh(x[0] + x[0].t()).values; }};
  t["eigh_projector"] = {[](const Inputs& x) {
    const Tensor v = eigh(x[0] + x[0].t()).vectors.narrow(1, 0, 2);
    return matmul(v, v.t());
  }};
  t["lstsq"] = {[](const Inputs& x) { return lstsq(x[0], x[1]); }};
  t["scatter_add"] = {[](const Inputs& x) { return scatter_add(x[0], 1, gather_index(), x[1]); }};
  t["masked_fill"] = {[](const Inputs& x) { return x[0].masked_fill(x[0] > 0, -3.0); }};

  for (const auto& [name, r] : std::map<std::string, Reduction>{
           {"_mean", Reduction::mean}, {"_sum", Reduction::sum}, {"_none", Reduction::none}}) {
    const Reduction red = r;
    t["mse" + name] = {
        [red](const Inputs& x) { return nn::mse_loss(x[0], constant("target", x[0]), red); }};
    t["l1" + name] = {
        [red](const Inputs& x) { return nn::l1_loss(x[0], constant("target", x[0]), red); }};
    t["huber" + name] = {[red](const Inputs& x) {
      return nn::huber_loss(x[0], constant("target", x[0]), 0.7, red);
    }};
    t["smooth_l1" + name] = {[red](const Inputs& x) {
      return nn::smooth_l1_loss(x[0], constant("target", x[0]), 0.7, red);
    }};
    t["cross_entropy" + name] = {
        [red](const Inputs& x) { return nn::cross_entropy(x[0], labels(), {.reduction = red}); }};
    t["cross_entropy_weight" + name] = {[red](const Inputs& x) {
      return nn::cross_entropy(x[0], labels(), {.weight = class_weight(x[0]), .reduction = red});
    }};
    t["cross_entropy_ignore" + name] = {
        [red](const Inputs& x) { return nn::cross_entropy(x[0], ignored(), {.reduction = red}); }};
    t["cross_entropy_smooth" + name] = {[red](const Inputs& x) {
      return nn::cross_entropy(
          x[0], ignored(),
          {.weight = class_weight(x[0]), .label_smoothing = 0.2, .reduction = red});
    }};
    t["cross_entropy_probabilities" + name] = {[red](const Inputs& x) {
      return nn::cross_entropy(x[0], constant("probabilities", x[0]),
                               {.label_smoothing = 0.1, .reduction = red});
    }};
    t["nll" + name] = {[red](const Inputs& x) {
      return nn::nll_loss(log_softmax(x[0], 1), ignored(),
                          {.weight = class_weight(x[0]), .reduction = red});
    }};
    t["bce" + name] = {[red](const Inputs& x) {
      return nn::bce_loss(sigmoid(x[0]), constant("bits", x[0]), red);
    }};
    t["bce_with_logits" + name] = {[red](const Inputs& x) {
      return nn::bce_with_logits(x[0], constant("bits", x[0]), {}, red);
    }};
    t["bce_pos_weight" + name] = {[red](const Inputs& x) {
      return nn::bce_with_logits(x[0], constant("bits", x[0]), class_weight(x[0]), red);
    }};
    const auto kl = red == Reduction::mean  ? nn::KlReduction::mean
                    : red == Reduction::sum ? nn::KlReduction::sum
                                            : nn::KlReduction::none;
    t["kl_div" + name] = {[kl](const Inputs& x) {
      return nn::kl_div(log_softmax(x[0], 1), constant("probabilities", x[0]), kl);
    }};
  }
  t["kl_div_batchmean"] = {[](const Inputs& x) {
    return nn::kl_div(log_softmax(x[0], 1), constant("probabilities", x[0]),
                      nn::KlReduction::batchmean);
  }};
  t["hinge"] = {
      [](const Inputs& x) { return nn::hinge_loss(x[0], constant("bits", x[0]) * 2 - 1); }};

  t["batch_norm"] = {[](const Inputs& x) {
    nn::BatchNorm1d layer(3);
    layer.to(x[0].dtype());
    layer.weight = x[1];
    layer.bias = x[2];
    return layer(x[0]);
  }};
  t["layer_norm"] = {[](const Inputs& x) {
    nn::LayerNorm layer(3);
    layer.weight = x[1];
    layer.bias = x[2];
    return layer(x[0]);
  }};
  t["embedding"] = {[](const Inputs& x) {
    nn::Embedding layer(3, 4);
    layer.weight = x[0];
    return layer(tensor({{2, 0}, {1, 2}}));
  }};
  t["prelu"] = {[](const Inputs& x) {
    nn::PReLU layer(3);
    layer.weight = x[1];
    return layer(x[0]);
  }};
  t["focal"] = {[](const Inputs& x) { return nn::focal_loss(x[0], labels()); }};
  t["quantile"] = {
      [](const Inputs& x) { return nn::quantile_loss(x[0], constant("target", x[0]), 0.8); }};
  const auto recurrent = [](auto layer, const Inputs& x) {
    const Parameters own = layer.parameters();
    for (std::size_t i = 0; i < own.size(); ++i) layer.set_parameter(own[i].name, x[i + 1]);
    const auto [y, state] = layer.sequence(x[0]);
    std::vector<Tensor> all{y.reshape({-1}), state.h.reshape({-1})};
    if (state.c.defined()) all.push_back(state.c.reshape({-1}));
    return cat(all);
  };
  t["lstm"] = {[=](const Inputs& x) { return recurrent(nn::LSTM(2, 3, 2), x); }};
  t["gru"] = {[=](const Inputs& x) { return recurrent(nn::GRU(2, 3, 2), x); }};
  t["rnn_layers"] = {[=](const Inputs& x) { return recurrent(nn::RNN(2, 3, 2), x); }};
  t["rnn"] = {[](const Inputs& x) {
    nn::RNNCell cell(2, 3);
    cell.weight_ih = x[1];
    cell.bias_ih = x[2];
    cell.weight_hh = x[3];
    cell.bias_hh = x[4];
    Tensor h = zeros({2, 3}, x[0].dtype());
    std::vector<Tensor> states;
    for (std::int64_t i = 0; i < 4; ++i) states.push_back(h = cell.step(x[0][i], h));
    return stack(states);
  }};
  return t;
}

/// cos(1), cos(2), …: the reference multiplies the outputs by these weights and sums to a loss.
Tensor loss_weights(const Tensor& y) {
  return cos(arange(1, y.numel() + 1, 1, kFloat64)).reshape(y.shape()).to(y.dtype());
}

Inputs leaves(const std::vector<Tensor>& from, DType dtype) {
  Inputs xs;
  for (const Tensor& t : from) xs.push_back(t.to(dtype).clone().detach().requires_grad_());
  return xs;
}

/// The values of t, with gaps between elements and with another order of the dimensions in memory.
Tensor scattered(const Tensor& t) {
  if (t.dim() == 0) return t.clone().detach();
  Shape wide = t.shape();
  wide[0] *= 2;
  Tensor holder = full(wide, 1e30, t.dtype()).transpose(0, -1).contiguous().transpose(0, -1);
  const Tensor view = holder.slice(0, 0, kEnd, 2).detach();
  view.copy_(t.detach());
  return view;
}

class Operators : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ReferenceCase& numbers() const { return reference().at(GetParam()); }
  Case own() const {
    static const auto all = table();
    return all.at(GetParam());
  }
};

TEST_P(Operators, AgreesWithPyTorchInDouble) {
  const Inputs xs = leaves(numbers().at("in"), kFloat64);
  const Tensor y = own().f(xs);
  EXPECT_LE(deviation(y.to(kFloat64), numbers().at("out")[0]), 1e-13);
  if (!numbers().contains("grad")) return;
  if (y.requires_grad()) sum(y * loss_weights(y)).backward();
  for (std::size_t i = 0; i < xs.size(); ++i)
    EXPECT_LE(deviation(xs[i].grad().defined() ? xs[i].grad() : zeros_like(xs[i]),
                        numbers().at("grad")[i]),
              1e-12)
        << "input " << i;
}

TEST_P(Operators, AgreesInFloat) {
  const Inputs xs = leaves(numbers().at("in"), kFloat32);
  const Tensor y = own().f(xs);
  EXPECT_LE(deviation(y.to(kFloat64), numbers().at("out")[0]), 3e-6);
  if (!numbers().contains("grad") || !y.requires_grad()) return;
  EXPECT_EQ(y.dtype(), kFloat32);
  sum(y * loss_weights(y)).backward();
  for (std::size_t i = 0; i < xs.size(); ++i)
    EXPECT_LE(deviation(xs[i].grad().to(kFloat64), numbers().at("grad")[i]), 2e-5) << "input " << i;
}

TEST_P(Operators, TakesScatteredInputs) {
  Inputs xs;
  for (const Tensor& t : numbers().at("in")) xs.push_back(scattered(t).requires_grad_());
  const Tensor y = own().f(xs);
  EXPECT_LE(deviation(y.to(kFloat64), numbers().at("out")[0]), 1e-13);
  if (!numbers().contains("grad") || !y.requires_grad()) return;
  sum(y * loss_weights(y)).backward();
  for (std::size_t i = 0; i < xs.size(); ++i)
    EXPECT_LE(deviation(xs[i].grad(), numbers().at("grad")[i]), 1e-12) << "input " << i;
}

TEST_P(Operators, PassesGradcheck) {
  const Inputs xs = leaves(numbers().at("in"), kFloat64);
  if (!own().f(xs).requires_grad()) return;  // its gradient is zero everywhere: nothing to compare
  if (GetParam() == "max_ties") return;      // no derivative there; compared with PyTorch's choice
  const GradcheckResult r = gradcheck(own().f, xs);
  EXPECT_TRUE(r) << r.message;
}

TEST_P(Operators, PassesGradgradcheck) {
  const Inputs xs = leaves(numbers().at("in"), kFloat64);
  if (!own().second_order || !own().f(xs).requires_grad()) return;
  const GradcheckResult r = gradgradcheck(own().f, xs);
  EXPECT_TRUE(r) << r.message;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, numbers] : reference())
    if (name != "constants") all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Table, Operators, ::testing::ValuesIn(names()),
                         [](const auto& i) { return i.param; });

TEST(OperatorTable, HasAFunctionForEveryCaseAndNoOther) {
  const auto own = table();
  for (const std::string& name : names()) EXPECT_TRUE(own.contains(name)) << name;
  EXPECT_EQ(own.size(), names().size());
}

}  // namespace
}  // namespace descent
