// A trained model for programs without Descent: as a header of C, as an ONNX file, or as arrays.
//
//   const TableModel model = load_model("run/model.safetensors");
//   write_file("beams.h", data::to_c(model, "beams"));
//   write_file("beams.onnx", data::to_onnx(model));
#pragma once

#include <descent/data/model.h>

namespace descent::data {

/// The model as one header of C99, which is C++ too. It needs math.h alone, allocates nothing, and
/// holds everything: the networks, what becomes of numbers, words and gaps, and the names of
/// columns and classes. All its names begin with `prefix`, so that a program can include several
/// models:
///
///   double row[BEAMS_COLUMNS] = {2.5, beams_word(1, "oak")};  // NAN is a gap
///   double out[BEAMS_OUTPUTS];
///   beams_predict(row, out);
///   beams_self_test();  // the number of stored rows that are predicted wrongly: 0
///
/// Throws ValueError for a prefix that is no name of C, and for weights that are not finite.
std::string to_c(const TableModel& model, const std::string& prefix);

/// The model as an ONNX file: opset 13, IR version 7. The input "inputs" is (batch, D) float32: for
/// each feature of the schema its number, less Feature::shift; of words 1 for the word that
/// is there and 0 for the others; and, if the feature has gaps, 1 for a gap and 0 for a value. For
/// a gap, the number is Feature::fill, and the word is the one at the place Feature::fill. The
/// output "outputs" is (batch, C): probabilities, or values in the unit of the target. The names of
/// the inputs and classes are in the metadata, one a line: "time less 1700000000" where numbers are
/// so large that floats cannot tell them apart. Throws ValueError for weights that are not finite.
std::string to_onnx(const TableModel& model);

/// The model as arrays for save_npz(): "net0.layer0.weight" (in, out) and "net0.layer0.bias" (out)
/// for each layer of each network; "mean" and "scale" (D), with which an input of to_onnx() is (x −
/// mean)·scale; "clip" (D), 1 where z becomes z/√(1 + (z/3)²) then; and "output_mean" and
/// "output_scale".
std::map<std::string, Tensor> to_arrays(const TableModel& model);

}  // namespace descent::data
