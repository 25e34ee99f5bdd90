//! Networks, their gradients, losses, initialisation and weight files.

mod architecture;
mod dropout;
mod engine_against_candle;
mod golden;
mod initialization;
mod layers;
mod logit_gradients;
mod loss_class_centres;
mod loss_refusals;
mod losses;
mod network;
mod network_gradients;
mod residual_golden;
mod residual_networks;
mod torch_files;
mod weight_files;
