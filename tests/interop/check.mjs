// Runs a model in onnxruntime on the inputs that check.py left. node check.mjs NAME FOLDER
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [name, folder] = process.argv.slice(2);
const ort = createRequire(folder + "/")("onnxruntime-node");
const { inputs, outputs, scale } = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
const session = await ort.InferenceSession.create(`${folder}/${name}.onnx`);
const feeds = { inputs: new ort.Tensor("float32", Float32Array.from(inputs.flat()), [inputs.length, inputs[0].length]) };
const got = (await session.run(feeds)).outputs.data;
const expected = outputs.flat();
let worst = 0;
for (let i = 0; i < expected.length; ++i) worst = Math.max(worst, Math.abs(got[i] / scale[i % scale.length] - expected[i]));
if (got.length !== expected.length || !(worst <= 1e-5)) {
  console.error(`${name}: onnxruntime differs by ${worst}`);
  process.exit(1);
}
